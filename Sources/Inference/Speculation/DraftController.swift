/// Decides how many positions go into a window and how many windows are under way, so that the
/// most useful tokens come out a second. A value: times come in as seconds, nothing is read.
///
/// With a chance `p` that a guess is right, windows of `n` positions, a slowest stage that needs
/// `s(n) = a + b n` and a round trip of `l(n) = A + B n` without waiting, a window is right as a
/// whole with `q = p^n`. From one wrong guess to the next come `1 / (1 - p)` tokens, and it takes
/// the round trip of the window that fails, plus the time between two windows for each whole one
/// before it:
///
///     rate(n) = 1 / (1 - p) / (l(n) + q / (1 - q) * max(load * s(n), l(n) / windows))
///
/// but with `load` requests on the same stages no more than they can compute, of which about half
/// of the windows that are under way when a guess fails are wasted. The best `n` is tried out from
/// a short list. `windows` never exceeds what keeps the slowest stage busy, as overfilling only
/// makes the next correction wait. One position at a time, without guesses, has the rate 1 / l(1).
public struct DraftController: Sendable {
    /// What to send.
    public struct Plan: Hashable, Sendable {
        /// Positions in a window, at least 1; 1 is no guess beside a certain token.
        public var rows: Int
        /// Windows under way at a time; 1 is to wait for each.
        public var windows: Int

        /// A plan.
        public init(rows: Int, windows: Int) {
            self.rows = rows
            self.windows = windows
        }
    }

    /// How many classes of guesses are told apart.
    public static let classes = 7
    /// The most windows of one request under way.
    public static let maximumWindows = 16
    private static let sizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]

    /// The most positions in a window of guesses; 0 for no guesses at all.
    public let maximumRows: Int
    private var stage = LineFit()
    private var trip = LineFit()
    private var chances: [Chance]

    /// A controller that has seen nothing. It believes that the longer a text has followed an
    /// earlier place, the longer it goes on, until it sees otherwise.
    public init(maximumRows: Int = 32) {
        self.maximumRows = maximumRows
        chances = [0.5, 0.3, 0.5, 0.7, 0.85, 0.95, 0.7].map(Chance.init)
    }

    /// A window of `rows` positions that waited for no other came back after `roundTrip` seconds;
    /// its slowest stage computed for `slowest` seconds.
    public mutating func observe(rows: Int, roundTrip: Double, slowest: Double) {
        trip.add(Double(rows), min(max(roundTrip, 0), 60))
        observe(rows: rows, slowest: slowest)
    }

    /// The slowest stage computed for `slowest` seconds on `rows` positions.
    public mutating func observe(rows: Int, slowest: Double) {
        if slowest > 0 { stage.add(Double(rows), min(slowest, 60)) }
    }

    /// Of the guesses of a class, `right` were right, and then one was wrong if `failed`.
    public mutating func observe(evidence: Int, right: Int, failed: Bool) {
        guard chances.indices.contains(evidence) else { return }
        chances[evidence].add(right: right, failed: failed)
    }

    /// The chance that the next guess of a class is right.
    public func chance(evidence: Int) -> Double {
        chances.indices.contains(evidence) ? chances[evidence].value : 0
    }

    /// What to do with guesses of a class.
    ///
    /// - Parameter load: how many requests share the stages, at least 1.
    public func plan(evidence: Int, load: Int = 1) -> Plan {
        var best = Plan(rows: 1, windows: 1)
        guard maximumRows > 0 else { return best }
        guard trip.hasSeen else { return Plan(rows: min(4, maximumRows), windows: 2) }
        let chance = min(chance(evidence: evidence), 0.998)
        var bestRate = 1 / max(trip.value(1), Double(load) * stage.value(1))
        for rows in Self.sizes where rows <= maximumRows {
            let plan = Plan(rows: rows, windows: windows(rows: rows, load: load))
            let rate = rate(plan, chance: chance, load: load)
            // A near tie goes to the smaller window, which answers sooner.
            if rate > bestRate * 1.01 {
                bestRate = rate
                best = plan
            }
        }
        return best
    }

    /// Useful tokens a second that a plan promises.
    public func rate(_ plan: Plan, chance: Double, load: Int = 1) -> Double {
        let rows = Double(plan.rows)
        let trip = trip.value(rows)
        var whole = 1.0
        for _ in 0..<plan.rows { whole *= chance }
        let busy = Double(load) * stage.value(rows)
        let period = max(busy, trip / Double(plan.windows))
        let windows = whole / (1 - whole)
        let computed = busy * (windows + 1 + Double(plan.windows - 1) / 2)
        return 1 / (1 - chance) / max(trip + windows * period, computed)
    }

    private func windows(rows: Int, load: Int) -> Int {
        let busy = max(Double(load) * stage.value(Double(rows)), 1e-6)
        let filled = (trip.value(Double(rows)) / busy).rounded(.up)
        return 1 + Int(min(filled, Double(Self.maximumWindows - 1)))
    }
}

/// The chance of an event from what was seen lately, about the last hundred, and a first belief
/// that counts as much as six observations.
private struct Chance: Sendable {
    private let belief: Double
    private var right = 0.0
    private var all = 0.0

    init(_ belief: Double) { self.belief = belief }

    var value: Double { (right + 6 * belief) / (all + 6) }

    mutating func add(right more: Int, failed: Bool) {
        let count = Double(more) + (failed ? 1 : 0)
        var keep = 1.0
        for _ in 0..<min(Int(count), 1_000) { keep *= 0.99 }
        right = right * keep + Double(more)
        all = all * keep + count
    }
}

/// A line through what was seen lately: least squares with weights that fall by a tenth with each
/// new point. Where all points have one abscissa, a slope of a fifth of the intercept is assumed.
private struct LineFit: Sendable {
    private var (weight, x, y, xx, xy) = (0.0, 0.0, 0.0, 0.0, 0.0)

    var hasSeen: Bool { weight > 0 }

    mutating func add(_ newX: Double, _ newY: Double) {
        weight = weight * 0.9 + 1
        x = x * 0.9 + newX
        y = y * 0.9 + newY
        xx = xx * 0.9 + newX * newX
        xy = xy * 0.9 + newX * newY
    }

    /// The ordinate at `at`, at least a microsecond; a millisecond if nothing was seen.
    func value(_ at: Double) -> Double {
        guard hasSeen else { return 1e-3 }
        let (meanX, meanY) = (x / weight, y / weight)
        let spread = xx / weight - meanX * meanX
        let assumed = meanY * 0.2 / (1 + 0.2 * meanX)
        var slope = assumed
        if spread > 0.01 * (1 + meanX * meanX) {
            slope = min(max((xy / weight - meanX * meanY) / spread, 0), meanY / max(meanX, 1))
        }
        return max(meanY + slope * (at - meanX), meanY * 0.01, 1e-6)
    }
}
