import { EnvironmentError, unreachable } from "../errors.ts"
import { RUN_WALL_MS_MAX } from "./default-campaign.ts"
import type { WorkerAnswer } from "./message.ts"
import type { TaskEnd } from "./pool.ts"

/** Throws `EnvironmentError` where the worker gave none. */
export function answerOf(end: TaskEnd): WorkerAnswer {
  switch (end.type) {
    case "answered":
      return end.answer
    case "died":
      throw new EnvironmentError(`The worker died: ${end.message}`)
    case "hung":
      throw new EnvironmentError(`The run did not end within ${RUN_WALL_MS_MAX / 1_000} s`)
    case "abandoned":
      throw new EnvironmentError("Interrupted before the run ended")
    default:
      return unreachable(end)
  }
}
