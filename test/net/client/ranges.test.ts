import assert from "node:assert/strict"
import { afterAll, beforeAll, describe, test } from "vitest"
import { connect, type Client, type OrreryError } from "#net"
import { openRig, type Rig } from "../../support/api-rig.ts"
import { LiveStore, WHOLE } from "../../support/live-store.ts"

const BOUNDS = ["", "d", "h", "m", "t", ""]
const RANGES = BOUNDS.slice(0, -1).map((start, i) => ({
  ...WHOLE,
  rangeId: i + 1,
  groupId: i + 1,
  start,
  end: BOUNDS[i + 1]!,
}))
/** Two to each range but the third, which has none; the first key of a range among them. */
const KEYS = ["a", "b", "d", "g~", "m", "s", "t", "z"]

let rig: Rig
let client: Client

beforeAll(async () => {
  rig = await openRig(new LiveStore(RANGES))
  client = connect({ stores: rig.stores, tls: rig.clientTls })
  await Promise.all(KEYS.map((key) => client.put(key, `of ${key}`)))
})

afterAll(() => {
  client.close()
  rig.close()
})

type Scan = Parameters<Client["scan"]>[0]

async function keysOf(scan: Scan, by = client): Promise<readonly [readonly string[], boolean]> {
  const { rows, more } = await by.scan(scan)
  return [rows.map(({ key }) => key.toString()), more]
}

describe("a client of several ranges", () => {
  test("asks each for its own keys", () => {
    const asked = rig.store.requests.filter(({ ops }) => ops[0]?.type === "put")
    assert.deepEqual(new Set(asked.map(({ rangeId }) => rangeId)), new Set([1, 2, 4, 5]))
  })

  test("scans over all of them, in either direction", async () => {
    for (const reverse of [false, true]) {
      // One that has yet to find every range, in the order in which it needs them, as well as one that knows them all.
      const fresh = connect({ stores: rig.stores, tls: rig.clientTls })
      const wanted = [reverse ? KEYS.toReversed() : KEYS, false]
      assert.deepEqual(await keysOf({ reverse }, fresh), wanted)
      assert.deepEqual(await keysOf({ reverse }), wanted)
      fresh.close()
    }
  })

  test("scans from bound to bound, bounds of ranges among them", async () => {
    for (const start of ["", "a~", "d", "e", "h", "j", "m", "t", "~"]) {
      for (const end of ["", "b", "d", "f", "h", "l", "m", "t", "u"]) {
        const within = KEYS.filter((key) => key >= start && (end === "" || key < end))
        assert.deepEqual(await keysOf({ start, end }), [within, false], `${start} to ${end}`)
        assert.deepEqual(
          await keysOf({ start, end, reverse: true }),
          [within.toReversed(), false],
          `${end} back to ${start}`,
        )
      }
    }
  })

  test("stops at a limit wherever it falls, and goes on from there", async () => {
    for (const reverse of [false, true]) {
      const wanted = reverse ? KEYS.toReversed() : KEYS
      for (let limit = 1; limit < KEYS.length; limit++) {
        assert.deepEqual(await keysOf({ limit, reverse }), [wanted.slice(0, limit), true], `${limit}`)
      }
      const found: string[] = []
      let [start, end] = ["", ""]
      for (let more = true; more;) {
        const [keys, isMore] = await keysOf({ start, end, limit: 3, reverse })
        found.push(...keys)
        if (reverse) end = keys.at(-1) ?? end
        else start = `${keys.at(-1) ?? start}\0`
        more = isMore && keys.length > 0
      }
      assert.deepEqual(found, wanted)
    }
  })

  test("does no batch over two of them", async () => {
    const batch = client.batch([
      { type: "put", key: "b", value: "1" },
      { type: "put", key: "m", value: "1" },
    ])
    await assert.rejects(batch, (error: OrreryError) => error.code === "keyOutOfRange")
    assert.equal((await client.get("b"))?.toString(), "of b")
  })
})
