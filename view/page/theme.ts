import { effect, signal, type Signal } from "@preact/signals"

export type Theme = "auto" | "light" | "dark"

const ORDER: readonly Theme[] = ["auto", "light", "dark"]

export const theme: Signal<Theme> = signal(stored())
/** Counts changes of colours, so that what is drawn by hand is drawn again. */
export const paintings: Signal<number> = signal(0)

function stored(): Theme {
  try {
    const found = ORDER.find((each) => each === localStorage.getItem("orrery-theme"))
    return found ?? "auto"
  } catch {
    // A file may be without storage.
    return "auto"
  }
}

export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length]!
  try {
    localStorage.setItem("orrery-theme", theme.value)
  } catch {
    // It holds until the page is closed.
  }
}

export function watchTheme(): void {
  effect(() => {
    const { value } = theme
    if (value === "auto") delete document.documentElement.dataset["theme"]
    else document.documentElement.dataset["theme"] = value
    paintings.value = paintings.peek() + 1
  })
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    paintings.value = paintings.peek() + 1
  })
}
