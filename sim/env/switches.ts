import type { SwitchName, Switches } from "#kernel"
import type { Tally } from "./link-overlay.ts"

/**
 * The switches of one store, as its kernel sees them. They belong to the host: a kernel that is loaded or
 * started anew finds them as they are.
 */
export class HostSwitches implements Switches {
  readonly #on: { readonly id: number; readonly name: SwitchName; readonly tally: Tally }[] = []

  /** The kernel asks only where it makes a difference, so every yes is one. */
  on(name: SwitchName): boolean {
    if (this.#on.length === 0) return false
    let isOn = false
    for (const found of this.#on) {
      if (found.name !== name) continue
      found.tally.changes++
      isOn = true
    }
    return isOn
  }

  turnOn(id: number, name: SwitchName, tally: Tally): void {
    this.#on.push({ id, name, tally })
  }

  turnOff(id: number): void {
    const index = this.#on.findIndex((found) => found.id === id)
    if (index >= 0) this.#on.splice(index, 1)
  }
}
