import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { test } from "vitest"

const TEAR = new URL("../../../cli/real/tear.ts", import.meta.url).href

/** Tears one end of a connection so many ticks after it was ended; gives what it said, once its process has ended. */
async function tornAfter(ticks: number): Promise<string> {
  const script = `
    import { connect, createServer } from "node:net"
    import { tear } from ${JSON.stringify(TEAR)}
    const server = createServer({ allowHalfOpen: true }, (near) => {
      let left = ${ticks}
      const later = () => (left-- > 0 ? process.nextTick(later) : tear(near))
      near.on("error", ({ code, syscall }) => console.log(code, syscall))
      near.on("close", () => console.log("closed"))
      near.end()
      later()
      server.close()
    })
    server.listen(0, "127.0.0.1", () => {
      const far = connect({ host: "127.0.0.1", port: server.address().port, allowHalfOpen: true })
      far.resume()
      far.on("error", () => {})
      far.on("end", () => far.destroy())
    })`
  // A process that does not end is killed, and that rejects.
  const options = { timeout: 20_000, killSignal: "SIGKILL" } as const
  const args = ["--input-type=module", "--eval", script]
  return (await promisify(execFile)(process.execPath, args, options)).stdout
}

// The shutdown of a socket is asked for some ticks after its end, and done when the loop comes round.
for (const ticks of [0, 1, 2, 4]) {
  test(`a connection that is torn ${ticks} ticks after its end is closed, and its process ends`, async () => {
    assert.equal(await tornAfter(ticks), "closed\n")
  })
}
