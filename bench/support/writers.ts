import type { Client } from "#net"

const KEYS_A_WRITER = 40
const FILL = "x".repeat(512)

/** What a key was last acknowledged to have; what it has must be that or newer. */
export type Known = ReadonlyMap<string, number>

/** Each writer has keys of its own and overwrites them with growing numbers, one write at a time. */
export class Writers {
  readonly known: Map<string, number> = new Map()
  acknowledged = 0
  error: Error | null = null
  readonly #client: Client
  readonly #count: number
  #isOver = false
  #writers: readonly Promise<void>[] = []

  constructor(client: Client, count: number) {
    this.#client = client
    this.#count = count
  }

  begin(): void {
    this.#writers = Array.from({ length: this.#count }, (_, writer) => this.#write(writer))
  }

  async end(): Promise<void> {
    this.#isOver = true
    this.#client.close()
    await Promise.all(this.#writers)
  }

  async #write(writer: number): Promise<void> {
    try {
      for (let round = 1; !this.#isOver; round++) {
        const key = `${writer}/${round % KEYS_A_WRITER}`
        await this.#client.put(key, `${round} ${FILL}`)
        this.known.set(key, round)
        this.acknowledged++
      }
    } catch (error) {
      // After the cut nothing else can be expected.
      if (!this.#isOver) this.error = error instanceof Error ? error : new Error(String(error))
    }
  }
}

/** Keys that do not have what was acknowledged of them or something newer. */
export async function lostOf(client: Client, known: Known): Promise<readonly string[]> {
  const keys = [...known.keys()]
  const values = await Promise.all(keys.map((key) => client.get(key)))
  return keys.filter((key, i) => !(Number.parseInt(String(values[i]), 10) >= known.get(key)!))
}
