# Runs functions on the official Sui Move VM (`sui-sandbox`): one JSON question a line, one JSON answer a line.
#
#   {"address": "0x42", "module": "m", "function": "f", "args": ["hex"], "modules": ["hex"]}
#   {"results": ["hex"]} or {"error": "..."}
import base64
import json
import os
import sys

import sui_sandbox

# The tool may print for itself; answers go where they are read.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

for line in sys.stdin:
    question = json.loads(line)
    try:
        reply = sui_sandbox.call_view_function(
            question["address"],
            question["module"],
            question["function"],
            pure_inputs=[bytes.fromhex(one) for one in question["args"]],
            package_bytecodes={question["address"]: [bytes.fromhex(one) for one in question["modules"]]},
            fetch_deps=False,
        )
    except BaseException as error:  # a panic inside the tool arrives as one
        reply = {"success": False, "error": f"tool: {error!r}"}
    if reply["success"]:
        values = reply["return_values"][0] if reply["return_values"] else []
        answer = {"results": [base64.b64decode(one).hex() for one in values]}
    else:
        answer = {"error": reply["error"]}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
