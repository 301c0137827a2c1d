/// For how long another side has been silent, told by a listener that may be held up itself: what
/// it could not hear meanwhile does not count. A value; the time comes from outside.
public struct SilenceWatch: Sendable {
    private let interval: Duration
    private let tolerance: Duration
    private var heard: ContinuousClock.Instant
    private var looked: ContinuousClock.Instant

    /// A listener that looks after every `interval`, and was held up if a look comes later than
    /// that by more than `tolerance`.
    public init(
        every interval: Duration, tolerance: Duration, from now: ContinuousClock.Instant = .now
    ) {
        self.interval = interval
        self.tolerance = tolerance
        heard = now
        looked = now
    }

    /// Something was heard.
    public mutating func hear(at now: ContinuousClock.Instant = .now) { heard = max(heard, now) }

    /// How long ago that was.
    public func silence(at now: ContinuousClock.Instant = .now) -> Duration {
        max(heard.duration(to: now), .zero)
    }

    /// The regular look: the silence, without the time by which this look is late.
    public mutating func look(at now: ContinuousClock.Instant = .now) -> Duration {
        let late = looked.duration(to: now) - interval
        looked = now
        if late > tolerance { heard = min(heard + late, now) }
        return silence(at: now)
    }
}
