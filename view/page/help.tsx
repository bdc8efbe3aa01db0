import type { JSX } from "preact"
import * as state from "./state.ts"

const KEYS: readonly (readonly [string, string])[] = [
  ["← →", "one event back, forward"],
  ["⇧ ← →", "the same, of the chosen store"],
  ["↑ ↓", "another store"],
  ["Home End", "first and last event"],
  ["v", "the violation, and what led to it"],
  ["c", "causal cone of the event under the cursor"],
  ["+ − 0", "nearer, farther, the whole run"],
  ["PgUp PgDn", "earlier, later"],
  ["b", "heartbeats shown or hidden"],
  ["/", "find"],
  ["1 … 5", "event, store, plan, find, compare"],
  ["u", "undo the last edit"],
  ["t", "light or dark"],
  ["?", "this"],
]

const ROLES = ["leader", "candidate", "follower", "learner", "recovering"] as const
const MESSAGES = ["append", "vote", "snapshot", "repair", "request", "reply", "refusal", "heartbeat"] as const

export function Help(): JSX.Element {
  const close = (): void => {
    state.isHelpOpen.value = false
  }
  return (
    <div class="curtain" onClick={close}>
      <div class="help" role="dialog" aria-label="Keys" onClick={(event) => event.stopPropagation()}>
        <h2>Keys</h2>
        <table>
          <tbody>
            {KEYS.map(([keys, what]) => (
              <tr key={keys}>
                <th class="mono">{keys}</th>
                <td>{what}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <h2>Colours</h2>
        <p class="legend">
          {ROLES.map((role) => (
            <span key={role}>
              <i class={`swatch r-${role}`} /> {role}
            </span>
          ))}
          <span>
            <i class="swatch r-fault" /> fault
          </span>
        </p>
        <p class="legend">
          {MESSAGES.map((kind) => (
            <span key={kind}>
              <i class={`dot m-${kind}`} /> {kind}
            </span>
          ))}
        </p>
        <p class="soft">
          The wheel goes nearer and farther, with ⇧ to the side; drag to move. A click takes the nearest
          event, or the arrow under it. An arrow that ends in a cross never arrived.
        </p>
        <button onClick={close}>close</button>
      </div>
    </div>
  )
}
