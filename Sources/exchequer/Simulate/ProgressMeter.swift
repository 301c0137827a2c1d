import Foundation
import Simulator
import Synchronization

/// Tells how far a study is: one line redrawn on a terminal, a line every ten seconds elsewhere,
/// JSON lines on standard output for programs.
final class ProgressMeter: Sendable {
    private let json: Bool
    private let told = Mutex(ContinuousClock.now)

    init(json: Bool) { self.json = json }

    func tell(_ progress: StudyProgress) {
        if json {
            try? Console.put(json: progress)
            return
        }
        let line = String(
            format: "%d of %d runs, %.1f a second, %@ left", progress.done, progress.total,
            progress.rate, Self.time(progress.left))
        if Console.isInteractive {
            Console.progress(line)
            return
        }
        let isDue = told.withLock { told in
            guard ContinuousClock.now - told >= .seconds(10) || progress.left == 0 else {
                return false
            }
            told = ContinuousClock.now
            return true
        }
        if isDue { Console.say(line) }
    }

    /// Clears the line.
    func end() { if !json { Console.progress("") } }

    private static func time(_ seconds: Double) -> String {
        let whole = Int(min(seconds, 1e9).rounded())
        if whole < 100 { return "\(whole) s" }
        if whole < 6_000 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3_600) h \(whole / 60 % 60) min"
    }
}
