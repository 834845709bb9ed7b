// How each state looks: its tone (a colour), its shape, and how high its bar is in the timeline (part of the row).

export const STATES = {
  ONLINE: ["good", "check", 0.34], READY: ["good", "check", 0.34], OPEN: ["good", "check", 1],
  DEGRADED: ["unsure", "triangle", 0.66],
  OFFLINE: ["bad", "cross", 1], GAVE_UP: ["bad", "cross", 1], CONFLICT: ["bad", "cross", 1],
  RECOVERING: ["busy", "arrow", 0.5], RESTARTING: ["busy", "arrow", 0.66], VERIFYING: ["busy", "arrow", 0.5],
  WAITING: ["unsure", "hands", 0.5], BACKOFF: ["unsure", "hands", 0.66], LISTENING: ["unsure", "hands", 0.6],
  CLOSED: ["unknown", "diamond", 0.6],
  STARTING: ["unknown", "diamond", 0.5], UNKNOWN: ["unknown", "diamond", 0.5],
  GAP: ["gap", "hatch", 1], NO_RECORD: ["none", "none", 0],
};

export const toneOf = (state) => (STATES[state] || STATES.UNKNOWN)[0];
export const shapeOf = (state) => (STATES[state] || STATES.UNKNOWN)[1];
export const levelOf = (state) => (STATES[state] || STATES.UNKNOWN)[2];

const IN_WORDS = { GAP: "monitoring gap", NO_RECORD: "no record" };

/** The word of a state as people read it. */
export const wordOf = (state) => IN_WORDS[state] || state;
