import { signal, type Signal } from "@preact/signals"
import type { JSX } from "preact"
import type { PlanFault } from "#sim"
import { ADDED_FAULTS, type AddedKind } from "../session/edit.ts"
import { count, seconds } from "./format.ts"
import * as state from "./state.ts"

const adding: Signal<AddedKind> = signal("crash")
const open: Signal<number> = signal(-1)

/** The plan, to be changed: what is changed runs at once. */
export function PlanPanel(): JSX.Element {
  const plan = state.plan.value
  if (plan === null) return <p class="soft pad">No plan.</p>
  const { cluster, workload, faults, seed } = plan
  return (
    <div class="pad">
      <p class="soft">
        {plan.scenario}, seed {seed}: {cluster.stores} stores
        {cluster.spares > 0 ? ` and ${cluster.spares} to spare` : ""}, {cluster.ranges.length}{" "}
        {cluster.ranges.length === 1 ? "range" : "ranges"}, {count(workload.ops.length)} operations of{" "}
        {workload.clients} clients. A change runs at once, on the same kernel.
      </p>
      {state.isEdited.value ? (
        <p class="row">
          <span class="tag changed">edited</span>
          <button onClick={() => void state.undo()}>undo</button>
          <button id="reset" onClick={() => void state.reset()}>
            back to the capsule
          </button>
          <button
            onClick={() => {
              state.panel.value = "compare"
              void state.compareWithOriginal()
            }}
          >
            where do they part?
          </button>
          <button onClick={() => save(plan)}>save plan</button>
        </p>
      ) : null}
      <h3>faults</h3>
      {faults.length === 0 ? <p class="soft">None.</p> : null}
      <ul class="faults">
        {faults.map((fault) => (
          <FaultPart key={fault.id} fault={fault} />
        ))}
      </ul>
      <AddFault />
      <h3>operations</h3>
      <ul class="lines ops">
        {workload.ops.slice(0, 200).map(({ id, at, client, op }) => (
          <li key={id}>
            <button
              class="drop"
              title="Drop this operation"
              onClick={() => void state.edit({ type: "dropOperation", id })}
            >
              ×
            </button>
            <span class="mono">{seconds(at, 1_000_000)}</span> client {client}{" "}
            {op.ops
              .map((each) => (each.type === "scan" ? `scan ${each.start}` : `${each.type} ${each.key}`))
              .join(", ")}
          </li>
        ))}
        {workload.ops.length > 200 ? <li class="soft">and {count(workload.ops.length - 200)} more</li> : null}
      </ul>
    </div>
  )
}

/** A new fault where the cursor is. */
function AddFault(): JSX.Element {
  const kinds = Object.keys(ADDED_FAULTS) as AddedKind[]
  return (
    <p class="row" id="add">
      <select
        value={adding.value}
        onChange={(event) => {
          adding.value = event.currentTarget.value as AddedKind
        }}
      >
        {kinds.map((kind) => (
          <option key={kind}>{kind}</option>
        ))}
      </select>
      <button
        title="Strikes the chosen store at the moment of the cursor"
        onClick={() =>
          void state.edit({
            type: "addFault",
            kind: adding.value,
            store: state.lane.value,
            at: state.cursorAt.value,
          })
        }
      >
        add to store {state.lane.value} at {seconds(state.cursorAt.value, 1_000_000)}
      </button>
    </p>
  )
}

function FaultPart({ fault }: { readonly fault: PlanFault }): JSX.Element {
  const bar = state.summary.value?.outline.faults.find(({ id }) => id === fault.id)
  const { id, kind, at, until, target, args } = fault
  const whom =
    target.role === "stores"
      ? target.stores.map((store) => `s${store}`).join(" ")
      : `${target.role} of g${target.group}`
  const to = target.peers.length > 0 ? ` ↔ ${target.peers.map((store) => `s${store}`).join(" ")}` : ""
  return (
    <li data-fault={id}>
      <div class="row">
        <button
          class="drop"
          title="Drop this fault and run again"
          onClick={() => void state.edit({ type: "dropFault", id })}
        >
          ×
        </button>
        <b>{kind}</b> <span class="soft">#{id}</span> {whom}
        {to}
        <span class="grow" />
        <button
          class="link"
          onClick={() => {
            state.near(at, Math.max(2_000_000, (until - at) * 1.5))
          }}
        >
          show
        </button>
        <button
          class="link"
          onClick={() => {
            open.value = open.value === id ? -1 : id
          }}
        >
          edit
        </button>
      </div>
      <div class="row soft">
        <label>
          at{" "}
          <input
            class="time"
            value={(at / 1_000_000).toFixed(6)}
            onChange={(event) =>
              void state.edit({
                type: "moveFault",
                id,
                at: Math.round(Number(event.currentTarget.value) * 1_000_000),
              })
            }
          />{" "}
          s
        </label>
        {until > at ? <span>for {((until - at) / 1_000_000).toFixed(3)} s</span> : null}
        {Object.entries(args).map(([name, value]) => (
          <span key={name}>
            {name} {value}
          </span>
        ))}
        {bar === undefined ? null : !bar.applied ? (
          <span class="faint">struck nobody</span>
        ) : (
          <span class="faint">
            changed {bar.changes === 1 ? "one thing" : `${count(bar.changes)} things`}
          </span>
        )}
      </div>
      {open.value === id ? <FaultText fault={fault} /> : null}
    </li>
  )
}

function FaultText({ fault }: { readonly fault: PlanFault }): JSX.Element {
  const text: Signal<string> = signal(JSON.stringify(fault, null, 1))
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        try {
          void state.edit({ type: "setFault", fault: JSON.parse(text.value) as PlanFault })
          open.value = -1
        } catch (error) {
          state.trouble.value = `That is not JSON: ${error instanceof Error ? error.message : ""}`
        }
      }}
    >
      <textarea
        rows={9}
        onInput={(event) => {
          text.value = event.currentTarget.value
        }}
      >
        {text.value}
      </textarea>
      <button type="submit">run with this</button>
    </form>
  )
}

/** The plan as a file that `orrery sim replay` runs. */
function save(plan: object): void {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(
    new Blob([`${JSON.stringify(plan, null, 1)}\n`], { type: "application/json" }),
  )
  link.download = "plan.json"
  link.click()
  URL.revokeObjectURL(link.href)
}
