#!/usr/bin/env bash
# What a card brings, in under eight minutes on one of H100's class:
#
#     GANZOO_DATA=DIR benchmarks/gpu.sh [OUT]
#
# First each variant's speed in bf16, float32, with a CUDA graph, compiled, and in the loop of the single-file scripts,
# a line of OUT/speed.jsonl each, until three minutes are over; then r3gan and stylegan2 for MINUTES each on
# DIR/cifar10-jpg, with their FID after an eighth, a quarter, a half and all of it, in OUT/fid.json. What did not fit is
# said. On a processor, to try the script: DEVICE=cpu MINUTES=0.05 SECONDS_EACH=0.1 SIZE=digits benchmarks/gpu.sh
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-runs/gpu}")
device=${DEVICE:-cuda} minutes=${MINUTES:-2} each=${SECONDS_EACH:-1} data=${SIZE:-digits} last=${SPEED_UNTIL:-180}
modes="bf16,fp32,textbook"
if [ "$device" = cuda ]; then modes="bf16,bf16 graph,bf16 compile,fp32,fp32 graph,textbook"; fi
mkdir -p "$out"
python -c 'import torch; print(torch.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else "no card")' | tee "$out/machine.txt"
for variant in ${VARIANTS:-dcgan wgan-gp cgan acgan vanilla sngan r3gan stylegan2 wgan conv}; do
  if [ "$SECONDS" -ge "$last" ]; then
    echo "$variant: no time was left" | tee -a "$out/left.txt"
    continue
  fi
  timeout 90 python -m benchmarks.gpu "$variant" --data "$data" --device "$device" --modes "$modes" --rounds 3 \
    --seconds "$each" --json | tee -a "$out/speed.jsonl" || echo "$variant: failed" | tee -a "$out/left.txt"
done
ganzoo compare --variants "${TRAINED:-r3gan,stylegan2}" --data "${PICTURES:-folder:$GANZOO_DATA/cifar10-jpg}" --minutes "$minutes" \
  --device "$device" --out "$out/race" --json > "$out/fid.json"
echo "$SECONDS s in all; see $out"
