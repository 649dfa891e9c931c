"""Drives a node with Aptos' Python SDK, unmodified: fund, transfer, wait, read, simulate.

    python sdk.py NODE_URL FAUCET_URL

Prints one JSON document.
"""

import asyncio
import json
import sys

from aptos_sdk.account import Account
from aptos_sdk.async_client import FaucetClient, RestClient
from aptos_sdk.transactions import EntryFunction, TransactionArgument, TransactionPayload
from aptos_sdk.bcs import Serializer


async def main(node_url, faucet_url):
    client = RestClient(node_url)
    faucet = FaucetClient(faucet_url, client)
    report = {}
    for name, make in [("ed25519", Account.generate), ("secp256k1", Account.generate_secp256k1_ecdsa)]:
        sender, receiver = make(), Account.generate()
        await faucet.fund_account(sender.address(), 100_000_000)
        transaction = await client.bcs_transfer(sender, receiver.address(), 1_000)
        await client.wait_for_transaction(transaction)
        committed = await client.transaction_by_hash(transaction)
        payload = TransactionPayload(
            EntryFunction.natural(
                "0x1::aptos_account",
                "transfer",
                [],
                [
                    TransactionArgument(receiver.address(), Serializer.struct),
                    TransactionArgument(5, Serializer.u64),
                ],
            )
        )
        raw = await client.create_bcs_transaction(sender, payload)
        simulated = await client.simulate_transaction(raw, sender)
        report[name] = {
            "received": await client.account_balance(receiver.address()),
            "sequence": await client.account_sequence_number(sender.address()),
            "status": committed["vm_status"],
            "signature": committed["signature"]["type"],
            "simulated": simulated[0]["success"],
        }
    report["chain_id"] = await client.chain_id()
    report["block"] = (await client.blocks_by_height(1, True))["block_height"]
    await client.close()
    print(json.dumps(report))


asyncio.run(main(*sys.argv[1:]))
