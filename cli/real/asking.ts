import { runOperation, type ClientAnswer, type ClientMemory, type Ending, type PlanRequest } from "#sim"
import type { ClusterDoor } from "./door.ts"

/** One operation over a door, as a workload's client carries it out: with its routing, its retries and its patience. */
export async function perform(door: ClusterDoor, memory: ClientMemory, op: PlanRequest): Promise<Ending> {
  const running = runOperation(memory, op)
  let step = running.next()
  while (step.done !== true) {
    const wanted = step.value
    const answer = await new Promise<ClientAnswer>((resolve) => {
      const us = wanted.type === "pause" ? wanted.us : wanted.timeoutUs
      const timer = setTimeout(() => resolve("timeout"), us / 1_000)
      if (wanted.type === "pause") return
      for (let copy = 0; copy < wanted.copies; copy++) {
        door.send(memory.client, wanted.store, wanted.request, (reply) => {
          clearTimeout(timer)
          resolve(reply)
        })
      }
    })
    step = running.next(answer)
  }
  return step.value
}
