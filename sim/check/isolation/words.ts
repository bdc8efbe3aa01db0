/** A growing column of 32-bit integers. `words` is longer than `length`; what lies behind it is zero. */
export class Words {
  words: Int32Array<ArrayBuffer>
  length = 0

  constructor(expected: number) {
    this.words = new Int32Array(Math.max(expected, 16))
  }

  push(word: number): void {
    if (this.length === this.words.length) {
      const larger = new Int32Array(this.words.length * 2)
      larger.set(this.words)
      this.words = larger
    }
    this.words[this.length++] = word
  }

  at(index: number): number {
    return this.words[index]!
  }
}
