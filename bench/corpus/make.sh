#!/bin/sh
# Makes the corpus again, byte for byte, from the Debian packages that README.md names. Needs them and sox.
# usage: bench/corpus/make.sh [folder to write to; this one]
set -eu
out=${1:-$(dirname "$0")}
sounds=${SOUNDS:-/usr/share/asterisk/sounds}
music=${MUSIC:-/usr/share/asterisk/moh}
codec2=${CODEC2:-/usr/share/codec2/wav}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 8 kHz mono µ-law in a WAV (format tag 7). Never dithered: dither is random.
encode() { sox -D "$1" -r 8000 -c 1 -e u-law "$2"; }

# voice NAME FOLDER SUFFIX PROMPT…: the prompts one after the other, with 0.3, 0.45 or 0.6 s of digital silence between.
voice() {
    name=$1 folder=$2 suffix=$3
    shift 3
    count=0
    set -- "$@" end
    while [ "$1" != end ]; do
        case $((count % 3)) in 0) gap=0.3 ;; 1) gap=0.45 ;; 2) gap=0.6 ;; esac
        sox -D "$folder/$1.$suffix" -e signed -b 16 "$work/$(printf %02d $count).wav" pad 0 $gap
        count=$((count + 1))
        shift
    done
    sox -D "$work"/??.wav "$work/whole.wav"
    encode "$work/whole.wav" "$out/$name.wav"
    rm "$work"/*.wav
}

# excerpt SOURCE START SECONDS TARGET, with fades, so that no click is part of it.
excerpt() {
    sox -D "$1" "$work/excerpt.wav" trim "$2" "$3" fade 0.02 "$3" 0.02
    encode "$work/excerpt.wav" "$4"
    rm "$work/excerpt.wav"
}

voice allison "$sounds/en_US_f_Allison" wav demo-abouttotry vm-review vm-forwardoptions tt-allbusy
voice june "$sounds/fr_CA_f_June" wav vm-opts demo-nogo vm-record-prepend dir-intro
voice carlo "$sounds/it_IT_m_Carlo" wav demo-congrats vm-tempgreeting2 vm-mismatch
voice ivrvoice "$sounds/ru_RU_f_IvrvoiceRU" wav queue-periodic-announce dir-intro vm-msginstruct
voice dal-zot "$sounds/it_IT_f_Menardi" wav vm-msginstruct vm-opts confbridge-lock-extended agent-user
voice armelle "$sounds/fr" gsm vm-review vm-opts queue-periodic-announce ss-noservice

# A man talking freely, over a little noise of his room; cut where he breathes.
sox -D "$codec2/ve9qrp.wav" "$work/first.wav" trim 0.66 21.76 pad 0 0.45
sox -D "$codec2/ve9qrp.wav" "$work/second.wav" trim 35.25 16.63 pad 0 0.3
sox -D "$work/first.wav" "$work/second.wav" "$work/whole.wav" gain -1
encode "$work/whole.wav" "$out/ve9qrp.wav"

# The first two rise and fall as speech does, more than anything else in the package; the last is a whole band.
excerpt "$music/macroform-the_simplicity.wav" 0 18 "$out/music-the-simplicity.wav"
excerpt "$music/macroform-cold_day.wav" 46 18 "$out/music-cold-day.wav"
excerpt "$music/reno_project-system.wav" 60 18 "$out/music-system.wav"
