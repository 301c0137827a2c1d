import Foundation
import Primitives

/// What a network path does to the bytes that cross it, each way for itself. For tests and benches
/// of what runs over a WAN where the kernel offers no such thing.
///
///     var model = WireModel()
///     model.latency = .milliseconds(10)
///     let proxy = try await WireProxy.start(to: port, model: model)
///
/// Bytes keep their order, as TCP's do: a delay of one delays what is behind it. A lost packet is
/// therefore a stall, not a gap.
public struct WireModel: Sendable {
    /// How long a byte is under way, one way.
    public var latency = Duration.zero
    /// The mean of what comes on top for each read, exponentially distributed.
    public var jitter = Duration.zero
    /// Bytes a second; `nil` for no limit.
    public var bandwidth: Int?
    /// The mean time between two stalls, in which nothing arrives; `nil` for none. The times
    /// between them are exponentially distributed.
    public var stallInterval: Duration?
    /// How long a stall holds everything.
    public var stall = Duration.milliseconds(200)
    /// The same seed and the same times of sending give the same times of arrival.
    public var seed: UInt64 = 1

    /// A wire that delays nothing.
    public init() {}
}

/// When bytes that enter a wire leave it: the model in virtual time, for one direction. Times count
/// from the wire's start.
public struct WireSchedule {
    private let model: WireModel
    private var random: SplitMix64
    /// When everything that was sent has left the sender.
    private var departed = Duration.zero
    /// When the last bytes arrive.
    private var arrived = Duration.zero
    /// The next stall that may touch an arrival.
    private var stallStart: Duration?

    /// Two directions of one seed differ.
    public init(_ model: WireModel, direction: UInt64 = 0) {
        self.model = model
        random = SplitMix64(seed: model.seed &+ direction &* 0x9E37_79B9_7F4A_7C15)
        stallStart = model.stallInterval.map { random.exponential(mean: $0) }
    }

    /// When `count` bytes arrive that are sent at `now`, which never goes back.
    public mutating func arrival(of count: Int, at now: Duration) -> Duration {
        departed = max(departed, now)
        if let bandwidth = model.bandwidth {
            departed += .seconds(Double(count) / Double(max(bandwidth, 1)))
        }
        var arrival = departed + model.latency
        if model.jitter > .zero { arrival += random.exponential(mean: model.jitter) }
        arrival = max(arrival, arrived)
        while let start = stallStart, let interval = model.stallInterval, arrival >= start {
            let end = start + model.stall
            arrival = max(arrival, end)
            stallStart = end + random.exponential(mean: interval)
        }
        arrived = arrival
        return arrival
    }
}

extension SplitMix64 {
    fileprivate mutating func exponential(mean: Duration) -> Duration {
        // From 2^-53 to 1, so that the logarithm is finite.
        let uniform = Double((next() >> 11) + 1) * 0x1p-53
        return mean * -log(uniform)
    }
}
