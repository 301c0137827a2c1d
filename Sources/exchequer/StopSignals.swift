import Dispatch
import Foundation
import Synchronization

/// Calls a closure with the first of some signals, usually Ctrl-C or SIGTERM; the second ends the
/// process at once.
/// The sources are only kept alive here, and only `init` touches them.
@safe
final class StopSignals: @unchecked Sendable {
    private var sources: [any DispatchSourceSignal] = []
    private let first = Mutex<Int32?>(nil)

    /// The first signal that came, if one did.
    var received: Int32? { first.withLock { $0 } }

    init(_ numbers: [Int32] = [SIGINT, SIGTERM], _ stop: @escaping @Sendable (Int32) -> Void) {
        for number in numbers {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in
                let isFirst = first.withLock { first in
                    defer { first = first ?? number }
                    return first == nil
                }
                if isFirst { stop(number) } else { _exit(128 + number) }
            }
            source.activate()
            sources.append(source)
        }
    }
}
