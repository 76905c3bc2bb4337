"""The documented costs are what `make cost` prints, and the template's memory sizes follow from them."""

from __future__ import annotations

import pytest

from bench.cost import model, report


def test_the_documented_costs_are_what_the_command_prints():
    assert report.documented() == report.tables(), "run `make cost ARGS=--write`"


@pytest.mark.parametrize("work", model.JOBS.ours(), ids=lambda work: work.function)
def test_a_function_has_the_cheapest_memory_size_within_its_limit(work):
    assert model.size_of(work.function) == model.cheapest(work)


def test_every_function_of_the_template_has_a_cost():
    functions = [one["Properties"]["CodeUri"] for one in model.template()["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]
    assert sorted(f"functions/{work.function}" for work in model.JOBS.ours()) == sorted(functions)


def test_less_memory_computes_more_slowly_and_waits_as_long():
    work = model.Work("recording-webhook", waiting=1, cpu=1, secrets=0)
    assert work.seconds(1769) == work.seconds(3008) == 2
    assert work.seconds(1769 // 4) == pytest.approx(5, abs=0.01)
