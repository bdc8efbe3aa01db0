import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { Progress } from "#kernel/raft/progress.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"

type Flight = { readonly lastIndex: number; readonly bytes: number }

const command = fc.oneof(
  fc.record({
    type: fc.constant("sent" as const),
    count: fc.integer({ min: 1, max: 4 }),
    bytes: fc.nat(100),
  }),
  fc.record({ type: fc.constant("acknowledged" as const), index: fc.nat(30) }),
  fc.record({ type: fc.constant("probe" as const), nextIndex: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ type: fc.constant("replicate" as const) }),
  fc.record({ type: fc.constant("snapshot" as const), index: fc.nat(30) }),
  fc.record({ type: fc.constant("reload" as const) }),
)

test("what a replica acknowledged is never taken back, and the window counts what is not acknowledged yet", () => {
  fc.assert(
    fc.property(fc.array(command, { size: "max", maxLength: 60 }), (commands) => {
      let progress = new Progress(2, 1, 0)
      let flights: Flight[] = []
      let matched = 0
      for (const step of commands) {
        if (step.type === "sent") {
          const lastIndex = progress.nextIndex + step.count - 1
          progress.sent(lastIndex, step.bytes)
          flights.push({ lastIndex, bytes: step.bytes })
        } else if (step.type === "acknowledged") {
          assert.equal(progress.acknowledged(step.index), step.index > matched, "news is what lies further")
          matched = Math.max(matched, step.index)
          flights = flights.filter(({ lastIndex }) => lastIndex > step.index)
        } else if (step.type === "reload") progress = Progress.load(new ByteReader(bytesOf(progress)))
        else {
          flights = []
          if (step.type === "probe") progress.becomeProbe(step.nextIndex)
          else if (step.type === "replicate") progress.becomeReplicate()
          else progress.becomeSnapshot(step.index, 5)
          assert.equal(progress.state, step.type)
        }
        let bytes = 0
        for (const flight of flights) bytes += flight.bytes
        assert.deepEqual([progress.inflightMessages, progress.inflightBytes], [flights.length, bytes])
        assert.equal(progress.matchIndex, matched)
        assert.isAbove(progress.nextIndex, progress.matchIndex)
      }
    }),
    { numRuns: 400 },
  )
})

test("an acknowledgement of one append settles all those before it", () => {
  const progress = new Progress(2, 5, 0)
  progress.becomeReplicate()
  progress.sent(3, 10)
  progress.sent(6, 20)
  progress.sent(7, 30)
  assert.isTrue(progress.acknowledged(6))
  assert.deepEqual([progress.inflightMessages, progress.inflightBytes, progress.nextIndex], [1, 30, 8])
  assert.isFalse(progress.acknowledged(3), "an older one that comes late is no news")
  assert.deepEqual([progress.matchIndex, progress.nextIndex], [6, 8])
})

test("nothing is sent ahead twice", () => {
  const progress = new Progress(2, 5, 0)
  assert.throws(() => progress.sent(4, 1), "sent before")
})

test("a probe never starts before what is known to match", () => {
  const progress = new Progress(2, 9, 0)
  progress.acknowledged(6)
  progress.becomeProbe(2)
  assert.deepEqual([progress.nextIndex, progress.probeSent], [7, false])
})
