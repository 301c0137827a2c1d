import Synchronization
import Transport

/// When something was last heard, by a process that may be held up itself.
final class Pulse: Sendable {
    /// Who looks regularly does so this often.
    static let interval = Duration.seconds(1)
    private let watch = Mutex(SilenceWatch(every: interval, tolerance: .seconds(2)))

    /// How long ago that was.
    var age: Duration { watch.withLock { $0.silence() } }

    /// Something was heard.
    func beat() { watch.withLock { $0.hear() } }

    /// The regular look: the age, without the time by which this look is late.
    func look() -> Duration { watch.withLock { $0.look() } }
}
