/** An upload, and how far it is. */

/**
 * `waiting` for its turn, `packing` a series, `sending`, `pausing` before it is sent again, `held`
 * until the user is signed in; `refused` and `accepted` are ends.
 *
 * @typedef {"waiting" | "packing" | "sending" | "pausing" | "held" | "refused" | "accepted"} Phase
 */

/** Tells `change` whenever an upload comes, moves on or goes. */
export const changes = new EventTarget();

export function tellChange() {
  changes.dispatchEvent(new Event("change"));
}

export class Upload {
  /**
   * @param {import("./pending.js").Wanted} wanted
   * @param {number | null} kept Its number among those that are kept over a reload.
   */
  constructor(wanted, kept) {
    this.wanted = wanted;
    this.kept = kept;
    /** @type {Phase} */
    this.phase = "waiting";
    this.size = wanted.files.reduce((sum, file) => sum + file.size, 0);
    this.sent = 0;
    this.speed = 0;
    /** Why it pauses or was refused. */
    this.reason = "";
    /** Whether sending it again may help where it was refused. */
    this.mayTryAgain = false;
    /** @type {Job | null} What it became. */
    this.job = null;
    /** Ends a pause. */
    this.goOn = () => {};
    this.givenUp = new AbortController();
  }

  /** Whether there is nothing more to do for it. */
  get ended() {
    const refused = this.phase === "refused" && !this.mayTryAgain;
    return refused || this.phase === "accepted" || this.givenUp.signal.aborted;
  }

  /** @param {Phase} phase */
  move(phase, reason = "") {
    this.phase = phase;
    this.reason = reason;
    tellChange();
  }

  /**
   * @param {string} reason
   * @param {boolean} mayTryAgain
   */
  refuse(reason, mayTryAgain) {
    this.mayTryAgain = mayTryAgain;
    this.move("refused", reason);
  }
}
