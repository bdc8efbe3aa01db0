import { spawn, type ChildProcess } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { messageOf } from "../errors.ts"
import type { FromKeeper, ToKeeper } from "./keeper-message.ts"

// A process of its own, in a session of its own, which is the parent of everything its supervisor starts. When the
// supervisor is gone, however it went, the channel closes, and the keeper takes everything with it. It cannot be told to
// do so by the children themselves: one that was stopped by SIGSTOP reads no pipe.

const children = new Map<number, ChildProcess>()

function tell(message: FromKeeper): void {
  // Nobody may be there to hear of the last ends.
  if (process.connected) process.send?.(message)
}

function start(order: Extract<ToKeeper, { readonly type: "start" }>): void {
  const { id } = order
  try {
    const log = openSync(order.log, "a", 0o600)
    // A group of its own: Ctrl-C in a terminal is for the supervisor, which ends its processes in order.
    const options = { cwd: order.cwd, detached: true, stdio: ["ignore", log, log] as const }
    const child = spawn(order.command, order.args, { ...options, stdio: [...options.stdio] })
    closeSync(log)
    child.once("error", (error) => {
      if (child.pid === undefined) tell({ type: "refused", id, message: messageOf(error) })
    })
    if (child.pid === undefined) return
    children.set(id, child)
    child.once("exit", (code, signal) => {
      children.delete(id)
      tell({ type: "exited", id, code, signal })
    })
    tell({ type: "started", id, pid: child.pid })
  } catch (thrown) {
    tell({ type: "refused", id, message: messageOf(thrown) })
  }
}

process.on("message", (message) => {
  const order = message as ToKeeper
  if (order.type === "start") start(order)
  // Only the parent may signal by number: until it has seen the end, the number is nobody else's.
  else children.get(order.id)?.kill(order.signal)
})
process.on("disconnect", () => {
  for (const child of children.values()) child.kill("SIGKILL")
})
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    for (const child of children.values()) child.kill("SIGKILL")
    if (process.connected) process.disconnect?.()
  })
}
tell({ type: "ready" })
