"""Asks a node for images with the official `openai` package, unmodified, and takes the answers apart with Python's zlib.

    python images.py NODE_URL

NODE_URL ends in /v1; the model is called `tiny-diffusion`. Prints one JSON document.
"""

import base64
import json
import struct
import sys
import zlib

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)


def draw(prompt, **more):
    image = client.images.generate(model="tiny-diffusion", prompt=prompt, size="64x32", extra_body=more)
    png = base64.b64decode(image.data[0].b64_json)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at:at + 4]), png[at + 4:at + 8]
        data = png[at + 8:at + 8 + length]
        (crc,) = struct.unpack(">I", png[at + 8 + length:at + 12 + length])
        assert zlib.crc32(kind + data) == crc, kind
        chunks[kind.decode()] = data
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks["IHDR"][:10])
    lines = zlib.decompress(chunks["IDAT"])
    assert list(chunks) == ["IHDR", "IDAT", "IEND"] and (depth, colour) == (8, 2)
    assert len(lines) == height * (1 + 3 * width) and all(lines[i] == 0 for i in range(0, len(lines), 1 + 3 * width))
    return {"width": width, "height": height, "png": png.hex(), "noema": image.model_extra["noema"]}


report = {
    "first": draw("the red cat", steps=2, seed=1),
    "again": draw("the red cat", steps=2, seed=1),
    "other": draw("the red cat", steps=2, seed=2, guidance=3.5, negative_prompt="blur"),
}
try:
    client.chat.completions.create(model="tiny-diffusion", messages=[{"role": "user", "content": "hello"}], max_tokens=4)
except openai.APIStatusError as error:
    report["chat"] = {"status": error.status_code, "message": str(error)}
print(json.dumps(report))
