import type { JSX } from "preact"
import type { Edit } from "../session/edit.ts"
import { count } from "./format.ts"
import * as state from "./state.ts"

/** The run beside the nearest one that passes: what is other in the plan, and the first event that is other for it. */
export function ComparePanel(): JSX.Element {
  const near = state.neighbour.value
  const under = state.comparing.value
  return (
    <div class="pad">
      <p class="soft">
        Runs the plan again without each of its faults, one at a time, and takes of those that pass the one
        that goes along with this run for longest.
      </p>
      <p class="row">
        {under === null ? (
          <button id="nearest" onClick={() => void state.compare()}>
            find the nearest passing run
          </button>
        ) : (
          <>
            <progress value={under.done} /> {under.told}
            <button onClick={state.stopComparing}>stop</button>
          </>
        )}
      </p>
      {near === "none" ? <p>None of them passes.</p> : null}
      {near === null || near === "none" ? null : (
        <div id="neighbour">
          <h3>{nameOf(near.edit)}</h3>
          <p>
            <span class={`tag ${near.verdict === "valid" ? "good" : "bad"}`}>
              {near.verdict === "valid" ? "passes" : near.verdict}
            </span>{" "}
            <span class="mono">{near.traceHash}</span>
          </p>
          {near.parting === null ? (
            <p>Both runs are one, to the last event.</p>
          ) : (
            <>
              <p>
                They are one run up to event{" "}
                <button class="link" onClick={() => void state.look(near.parting!.event)}>
                  {count(near.parting.event)}
                </button>
                , which is
              </p>
              <h3>here</h3>
              <pre>{near.parting.first ?? "nothing: this run is over"}</pre>
              <h3>there</h3>
              <pre>{near.parting.second ?? "nothing: that run is over"}</pre>
            </>
          )}
          {near.edit.type === "plan" ? null : (
            <button onClick={() => void state.edit(near.edit)}>open that run</button>
          )}
        </div>
      )}
    </div>
  )
}

function nameOf(edit: Edit): string {
  const plan = state.plan.value
  switch (edit.type) {
    case "dropFault":
      return `without fault ${edit.id}, ${plan?.faults.find(({ id }) => id === edit.id)?.kind ?? ""}`
    case "dropOperation":
      return `without operation ${edit.id}`
    default:
      return "the run of the capsule, and the edited one"
  }
}
