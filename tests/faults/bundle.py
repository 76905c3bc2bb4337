"""The facts of the deployment that a lane needs, read from the template, which is the only place that has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from samcli.yamlhelper import yaml_parse

from local.deployment import EMPLOYEE_CHANNEL, ROOT, STACK_NAME, Deployment
from local.progress import Progress
from local.stack import FUNCTIONS
from standins.aws.queues_and_secrets import Queue


@dataclass(frozen=True)
class Function:
    name: str  # of its directory and its binary
    timeout: int  # seconds
    variables: dict  # as in the template: Ref and the like are not resolved


@dataclass(frozen=True)
class Route:
    method: str | None  # None: any
    path: re.Pattern
    function: str


@dataclass(frozen=True)
class Bundle:
    functions: dict[str, Function]
    queues: dict[str, Queue]
    routes: list[Route]  # routes for one method come before those for any
    defaults: dict[str, str]  # of the parameters
    bootstraps: dict[str, Path]  # by function

    def environment(self, function: str, values: dict[str, str]) -> dict[str, str]:
        """The variables of a function; `values`: parameters, queues' URLs, and variables by their own name. Raises KeyError for one that is missing."""
        known = self.defaults | {"EmployeeChannel": EMPLOYEE_CHANNEL, "AWS::StackName": STACK_NAME} | values
        variables = self.functions[function].variables
        return {name: values.get(name) or _resolved(node, known) for name, node in variables.items()}

    def route(self, method: str, path: str) -> str | None:
        """The function that serves a request."""
        return next((r.function for r in self.routes if r.method in (None, method) and r.path.fullmatch(path)), None)


def build(directory: Path, progress: Progress) -> dict[str, Path]:
    """The bootstraps by function, built as for a stack and put into `directory`."""
    deployment = Deployment(directory, progress)
    deployment.build()
    return {name: deployment.bootstrap(logical_id) for name, logical_id in FUNCTIONS.items()}


def read(bootstraps: dict[str, Path]) -> Bundle:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    resources = template["Resources"]

    def of_type(kind: str) -> dict[str, dict]:
        return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}

    named = {logical: resources[logical]["Metadata"]["BuildProperties"]["Binary"] for logical in of_type("AWS::Serverless::Function")}
    everywhere = template["Globals"]["Function"]["Environment"]["Variables"]
    functions = {
        named[logical]: Function(named[logical], properties["Timeout"], everywhere | properties["Environment"]["Variables"])
        for logical, properties in of_type("AWS::Serverless::Function").items()
    }
    sources = {_named(source["EventSourceArn"]): named[_named(source["FunctionName"])] for source in of_type("AWS::Lambda::EventSourceMapping").values()}
    queues = {
        logical: Queue(
            logical, sources[logical], properties["VisibilityTimeout"], properties["RedrivePolicy"]["maxReceiveCount"],
            _named(properties["RedrivePolicy"]["deadLetterTargetArn"]),
        )
        for logical, properties in of_type("AWS::SQS::Queue").items() if logical in sources
    }  # fmt: skip
    integrations = of_type("AWS::ApiGatewayV2::Integration")
    routes = []
    for properties in of_type("AWS::ApiGatewayV2::Route").values():
        method, _, path = properties["RouteKey"].partition(" ")
        integration = integrations[re.fullmatch(r"integrations/\$\{(\w+)\}", properties["Target"]["Fn::Sub"])[1]]
        function = re.search(r":function:\$\{(\w+)\}", integration["IntegrationUri"]["Fn::Sub"])[1]
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
        routes.append(Route(None if method == "ANY" else method, re.compile(pattern), named[function]))
    routes.sort(key=lambda route: route.method is None)
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items() if "Default" in parameter}
    return Bundle(functions, queues, routes, defaults, bootstraps)


def _named(node) -> str:
    """The resource that a Ref or GetAtt names."""
    node = node.get("Ref") or node["Fn::GetAtt"]
    return node if isinstance(node, str) else node[0]


def _resolved(node, values: dict[str, str]) -> str:
    """The value that CloudFormation would make of it."""
    if isinstance(node, str):
        return node
    if "Fn::If" in node:  # of a parameter that is given, or something else
        _, given, otherwise = node["Fn::If"]
        return _resolved(given, values) or _resolved(otherwise, values)
    if "Fn::Sub" in node:
        return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], node["Fn::Sub"])
    return values[node["Ref"]]
