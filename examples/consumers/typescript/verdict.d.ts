// https://vigilens.dev/schemas/verdict/2.0.json, made by `npm run types`. Do not edit it.

/**
 * Why an image is `unscannable`, or a set was not compared. The list is closed, see docs/verdicts.md.
 */
export type Reason =
  | "empty_value"
  | "malformed_event"
  | "bad_base64"
  | "source_not_allowed"
  | "not_found"
  | "fetch_failed"
  | "fetch_timed_out"
  | "too_many_bytes"
  | "too_many_pixels"
  | "unknown_format"
  | "unsupported_format"
  | "corrupt"
  | "damaged"
  | "featureless"
  | "decode_crashed"
  | "decode_cpu_limit"
  | "decode_memory_limit"
  | "decode_timed_out"
  | "records_too_large"
  | "gave_up"
  | "encoder_failed"
  | "not_compared";
export type JsonValue = unknown;

/**
 * The result for one image.
 */
export interface Verdict {
  /**
   * Later minor versions only add fields.
   */
  schema_version?: `2.${number}`;
  event_id: string;
  image_id: string;
  decision: "block" | "review" | "allow" | "unscannable";
  /**
   * Why the image is unscannable; otherwise None.
   */
  reason: Reason | null;
  /**
   * One sentence about `reason` for a person.
   */
  detail: string | null;
  /**
   * The set that decided block or review.
   */
  decided_by: string | null;
  /**
   * Why it was judged again; None the first time.
   */
  cause: Cause | null;
  /**
   * None if the event names no image.
   */
  source: EventSource | null;
  /**
   * None if there were no bytes or they could not be decoded.
   */
  image: ImageFacts | null;
  /**
   * What was compared; empty if the image is unscannable.
   */
  views: View[];
  frames_judged: number[];
  unseen: Unseen;
  /**
   * All encoders in use.
   */
  encoders: EncoderResult[];
  /**
   * All sets in force.
   */
  sets: SetResult[];
  /**
   * Sets that matched, worst first.
   */
  matches: SetMatch[];
  shadow: Shadow | null;
  /**
   * The event's attributes, unchanged.
   */
  attributes: {
    [k: string]: JsonValue;
  };
  position: Position | null;
  timings: Timings;
  judged_at: string;
}
/**
 * Why an image was judged again.
 */
export interface Cause {
  kind: "added" | "lowered" | "alone";
  set: string | null;
  version: number | null;
  reference: string | null;
  pixels_seen: boolean;
  first_decision: "block" | "review" | "allow" | "unscannable";
  first_position: Position | null;
}
/**
 * The event's position in Kafka. None for a verdict of `vigilens scan`.
 */
export interface Position {
  topic: string;
  partition: number;
  offset: number;
  /**
   * The record's timestamp.
   */
  timestamp: string | null;
}
/**
 * The source of the image that the event names.
 */
export interface EventSource {
  kind: "record" | "path" | "url";
  /**
   * The path or URL, at most 4,096 characters; None for bytes in the record.
   */
  address: string | null;
  /**
   * Whether its bytes could be fetched.
   */
  fetched: boolean;
}
/**
 * The file that was judged.
 */
export interface ImageFacts {
  /**
   * Of the image's bytes.
   */
  sha256: string;
  bytes: number;
  /**
   * JPEG, PNG, …
   */
  format: string;
  /**
   * Pixels, after the EXIF orientation is applied.
   */
  width: number;
  height: number;
  /**
   * Frames of an animated picture.
   */
  frames: number;
  /**
   * Only a part of the file could be decoded.
   */
  damaged: boolean;
}
/**
 * What was compared: a frame, a part of it, and how its pixels were read.
 */
export interface View {
  /**
   * Its number; candidates and matches name it.
   */
  view: number;
  frame: number;
  /**
   * Left, top, right, bottom, as fractions of the picture.
   *
   * @minItems 4
   * @maxItems 4
   */
  box: [unknown, unknown, unknown, unknown];
  /**
   * `plain`: as viewers show it; `negative`, `unstretched`: as before an edit.
   */
  reading: string;
}
/**
 * Number of frames and windows that were not compared.
 */
export interface Unseen {
  frames: number;
  windows: number;
}
/**
 * An encoder, and whether it could make a vector of the image.
 */
export interface EncoderResult {
  name: string;
  fingerprint: string;
  looked: boolean;
  /**
   * Why it could not.
   */
  reason: Reason | null;
}
/**
 * One set in force, matched or not: the decision is computed from these.
 */
export interface SetResult {
  set: string;
  version: number;
  kind: "harmful" | "allow" | "reference";
  category: string;
  group: string;
  /**
   * Name of the encoder that the set was compared with.
   */
  encoder: string;
  compared: boolean;
  /**
   * Why it was not compared.
   */
  reason: Reason | null;
  rules: Rules;
  /**
   * False alarms to expect by the set's calibration.
   */
  expected_per_million: number | null;
  /**
   * The best 3 by check and the best 3 by similarity, each once, best first; empty if the verdict would otherwise be too large for a record.
   */
  candidates: Candidate[];
}
/**
 * The set's rules when it was searched.
 */
export interface Rules {
  similarity: Limits;
  check: CheckRules;
  /**
   * The highest level of a match that no other encoder confirms.
   */
  alone: "block" | "review" | "nothing";
  /**
   * The highest level of a match in which a part of the picture differs.
   */
  altered: "block" | "review" | "nothing";
  /**
   * The set whose similarities are subtracted.
   */
  background: string | null;
}
/**
 * The lowest score for each level.
 */
export interface Limits {
  review: number;
  block: number;
}
/**
 * How the geometric check decides, and the lowest score for each level.
 */
export interface CheckRules {
  review: number;
  block: number;
  use: "required" | "supports" | "off";
  /**
   * Scale of the check's scores and of these thresholds.
   */
  version: number;
}
/**
 * A reference that the search found, whether it matched or not.
 */
export interface Candidate {
  /**
   * Key of the reference in its set.
   */
  id: string;
  /**
   * The operator's name for the reference.
   */
  label: string;
  /**
   * Cosine similarity of image and reference, -1 to 1.
   */
  similarity: number;
  /**
   * The same minus the mean for the nearest background references; thresholds are compared with it. None: the set names no background.
   */
  normalised: number | null;
  /**
   * The check's score, 0 if it is not in the image; None: not checked.
   */
  check: number | null;
  /**
   * The image has exactly the reference's bytes.
   */
  content: boolean;
  /**
   * The highest level that this reference can give; None: any.
   */
  ceiling: ("block" | "review" | "nothing") | null;
  /**
   * A part of the image differs from the reference.
   */
  altered: boolean;
  /**
   * The image shows the reference's mirror image.
   */
  mirrored: boolean;
  view: number;
  /**
   * Where the reference is in the image; None if unknown.
   */
  region: [[unknown, unknown], [unknown, unknown], [unknown, unknown], [unknown, unknown]] | null;
}
/**
 * One set in which the image reached a threshold.
 */
export interface SetMatch {
  set: string;
  /**
   * Version of the set that was searched.
   */
  version: number;
  kind: "harmful" | "allow" | "reference";
  category: string;
  severity: number;
  encoder: string;
  /**
   * The level that counts.
   */
  level: "block" | "review";
  /**
   * The level that was reached before caps.
   */
  reached: "block" | "review";
  /**
   * Why `level` is lower than `reached`: `ceiling` of the reference, `altered` copy, `alone` (no match of another encoder corroborates it), or `allowed` (an allow set has the same, and nothing tells the two apart).
   */
  capped_by: string[];
  /**
   * The measure that gave the level; `score`, `threshold` and `margin` are its own. `content`: exactly the same bytes; score and threshold are 1.
   */
  decided_on: "check" | "similarity" | "content";
  score: number;
  threshold: number;
  /**
   * score - threshold.
   */
  margin: number;
  reference: Reference;
  similarity: SimilarityResult;
  /**
   * None if it was not checked or the reference was not found.
   */
  check: CheckResult | null;
  view: number;
  /**
   * Up to 8 more references of the set that reached a level.
   */
  others: Other[];
  /**
   * The allow set whose match cancelled this match's effect.
   */
  vetoed_by: string | null;
  /**
   * Sets of other encoders and the same group whose matches in the same view confirm this one.
   */
  corroborated_by: string[];
  quarantined: boolean;
}
/**
 * The reference that matched.
 */
export interface Reference {
  /**
   * Key of the reference in its set.
   */
  id: string;
  /**
   * The operator's name for the reference.
   */
  label: string;
  /**
   * The list or exchange that the reference comes from.
   */
  source: string | null;
  /**
   * Its id there.
   */
  source_id: string | null;
  tags: string[];
}
/**
 * Similarity of the matched reference.
 */
export interface SimilarityResult {
  /**
   * A cosine, -1 to 1.
   */
  score: number;
  /**
   * The threshold is compared with it, if it is not None.
   */
  normalised: number | null;
  /**
   * The threshold of the level in `reached`.
   */
  threshold: number;
}
/**
 * How the matched reference lies in the image, as the geometric check found it (docs/copies.md).
 */
export interface CheckResult {
  score: number;
  /**
   * The threshold of the level in `reached`.
   */
  threshold: number;
  /**
   * Pairs of corners that agree on one map from reference to image.
   */
  inliers: number;
  /**
   * Share of the places with corners of both in which they agree.
   */
  share: number;
  /**
   * Share of the inliers that neither recur nor are a common frame.
   */
  distinctive: number;
  /**
   * Share of the reference's area that the image shows.
   */
  coverage: number;
  /**
   * The image shows the reference's mirror image.
   */
  mirrored: boolean;
  /**
   * The reference's corners in the whole picture, from its upper left one clockwise (as the reference is shown), as fractions of the picture's width and height; they may lie outside.
   *
   * @minItems 4
   * @maxItems 4
   */
  region: [[unknown, unknown], [unknown, unknown], [unknown, unknown], [unknown, unknown]];
  /**
   * Parts of the image in which both have corners and none agree.
   */
  differs: [unknown, unknown, unknown, unknown][];
}
/**
 * A further reference in the image.
 */
export interface Other {
  /**
   * Key of the reference in its set.
   */
  id: string;
  /**
   * The operator's name for the reference.
   */
  label: string;
  /**
   * The list or exchange that the reference comes from.
   */
  source: string | null;
  /**
   * Its id there.
   */
  source_id: string | null;
  tags: string[];
  view: number;
  /**
   * Where it is in the image; None if unknown.
   */
  region: [[unknown, unknown], [unknown, unknown], [unknown, unknown], [unknown, unknown]] | null;
}
/**
 * What the sets that do not count yet would have decided.
 */
export interface Shadow {
  decision: "block" | "review" | "allow" | "unscannable";
  decided_by: string | null;
  matches: SetMatch[];
}
/**
 * Milliseconds of work for the image's whole batch, all workers together.
 */
export interface Timings {
  fetch_ms: number;
  decode_ms: number;
  encode_ms: number;
  search_ms: number;
  check_ms: number;
}
