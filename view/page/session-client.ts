import type { Answer, CallName, Calls } from "./protocol.ts"

type Waiting = {
  readonly settle: (value: never) => void
  readonly refuse: (error: Error) => void
  readonly onProgress: ((done: number, told: string) => void) | null
}

/** The worker that has the run: made of the script that stands in this page, since a file has no server behind it. */
export class SessionClient {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #asked = 0

  constructor() {
    const script = document.querySelector("#worker")?.textContent ?? ""
    const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }))
    this.#worker = new Worker(url)
    URL.revokeObjectURL(url)
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => this.#heard(data))
    this.#worker.addEventListener("error", ({ message }) => {
      for (const { refuse } of this.#waiting.values()) refuse(new Error(message))
      this.#waiting.clear()
    })
  }

  ask<N extends CallName>(
    call: N,
    ask: Omit<Calls[N]["ask"], never>,
    onProgress: Waiting["onProgress"] = null,
  ): Promise<Calls[N]["answer"]> {
    const id = ++this.#asked
    return new Promise((settle, refuse) => {
      this.#waiting.set(id, { settle, refuse, onProgress })
      this.#worker.postMessage({ ...ask, id, call })
    })
  }

  /** Nobody hears of what is under way. */
  close(): void {
    this.#worker.terminate()
    this.#waiting.clear()
  }

  #heard(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    if (answer.type === "progress") return waiting.onProgress?.(answer.done, answer.told)
    this.#waiting.delete(answer.id)
    if (answer.type === "answer") waiting.settle(answer.value as never)
    else waiting.refuse(new Error(answer.message))
  }
}
