import type { JSX } from "preact"
import type { MessageView } from "../session/event.ts"
import { count, seconds, span } from "./format.ts"
import * as state from "./state.ts"

/** The event under the cursor: what went in, what came out, what crossed the network. */
export function EventPanel(): JSX.Element {
  const seen = state.eventView.value
  if (seen === null) return <p class="soft pad">No event.</p>
  return (
    <div class="pad">
      <h2>
        event {count(seen.event)}
        <span class="soft"> · store {seen.store}</span>
        {seen.isZombie ? <span class="tag bad">old process</span> : null}
      </h2>
      <p class="mono soft">{seconds(seen.at)}</p>
      {seen.happenings.map((what) => (
        <p key={what} class="happening">
          {what}
        </p>
      ))}
      <h3>in</h3>
      <pre id="input">{seen.input}</pre>
      {seen.took === null ? null : (
        <p class="soft">
          <MessageLine message={seen.took} />
        </p>
      )}
      <h3>out{seen.effects.length === 0 ? <span class="soft"> nothing</span> : null}</h3>
      {seen.effects.length === 0 ? null : (
        <ol class="effects" id="effects">
          {seen.effects.map((effect, index) => (
            <li
              key={index}
              class={effect.startsWith("mark ") ? "mark" : /^(?:send|reply)/.test(effect) ? "send" : ""}
            >
              {effect}
            </li>
          ))}
        </ol>
      )}
      {seen.sent.length === 0 ? null : (
        <>
          <h3>left after it</h3>
          <ul class="lines">
            {seen.sent.map((message) => (
              <li key={message.id}>
                <MessageLine message={message} />
              </li>
            ))}
          </ul>
        </>
      )}
      <ConePart />
    </div>
  )
}

function laneName(lane: number): string {
  return state.summary.value?.outline.lanes[lane]?.name ?? "?"
}

export function MessageLine({ message }: { readonly message: MessageView }): JSX.Element {
  const { kind, from, to, sentAt, sentEvent, tookAt, tookEvent } = message
  const isOpen = state.message.value?.id === message.id
  return (
    <span class={isOpen ? "message open" : "message"}>
      <i class={`dot m-${kind}`} />
      {kind} {laneName(from)} → {laneName(to)}{" "}
      {sentEvent > 0 && from < state.storeCount.value ? (
        <button class="link" onClick={() => void state.look(sentEvent)}>
          sent {count(sentEvent)}
        </button>
      ) : null}{" "}
      {tookAt === null ? (
        <span class="bad">never arrived</span>
      ) : (
        <>
          {tookEvent !== null && to < state.storeCount.value ? (
            <button class="link" onClick={() => void state.look(tookEvent)}>
              taken in {count(tookEvent)}
            </button>
          ) : (
            "heard"
          )}
          <span class="soft"> after {span(tookAt - sentAt)}</span>
        </>
      )}
    </span>
  )
}

function ConePart(): JSX.Element | null {
  const cone = state.cone.value
  if (cone === null) return null
  const run = state.summary.value!
  return (
    <>
      <h3>before event {count(cone.of)}</h3>
      <p class="soft">
        {count(cone.events)} of {count(run.events)} events lie in its causal cone. The chain of messages that
        led to it, newest first:
      </p>
      <ul class="lines" id="chain">
        {cone.chain.map((message) => (
          <li key={message.id}>
            <MessageLine message={message} />
          </li>
        ))}
      </ul>
    </>
  )
}
