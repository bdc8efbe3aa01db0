import type { JSX } from "preact"
import { count, seconds } from "./format.ts"
import * as state from "./state.ts"

export function FindPanel(): JSX.Element {
  const { value: found } = state.found
  return (
    <div class="pad">
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          // The keys are those of the diagram again.
          document.querySelector<HTMLInputElement>("#query")?.blur()
          void state.find(state.query.value)
        }}
      >
        <input
          id="query"
          class="wide"
          placeholder="#1234, 12.5s, or words"
          value={state.query.value}
          onInput={(event) => {
            state.query.value = event.currentTarget.value
          }}
        />
        <button type="submit">find</button>
      </form>
      {found === null ? (
        <p class="soft">
          An event by its number, a moment, or words: of messages, keys, roles (“leader in term 3”), marks,
          faults, answers (“notLeader”).
        </p>
      ) : (
        <>
          <p class="soft" id="found">
            {found.hits.length === 0 ? "Nothing" : count(found.hits.length)} found
            {found.readUpTo === null ? "" : `, up to event ${count(found.readUpTo)}`}
          </p>
          <ul class="lines hits">
            {found.hits.map(({ event, at, text }, index) => (
              <li key={index} class={event === state.cursor.value ? "on" : ""}>
                <button class="link" onClick={() => void state.look(Math.max(1, event))}>
                  {count(event)}
                </button>
                <span class="mono faint"> {seconds(at, 1_000_000)}</span> {text}
              </li>
            ))}
          </ul>
          {found.readUpTo === null ? null : (
            <button onClick={() => void state.findMore()}>look further</button>
          )}
        </>
      )}
    </div>
  )
}
