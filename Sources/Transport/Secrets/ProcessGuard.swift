import CHost
import Synchronization

/// What a process does before it holds a secret.
public enum ProcessGuard {
    private static let isClosed = Mutex(false)

    /// From now on this process leaves no core dump, and no other one of the same user may read its
    /// memory (RLIMIT_CORE, PR_SET_DUMPABLE). What it starts is as open as ever, but also leaves
    /// no core dump. Once is enough; `false` if the system refused.
    @discardableResult
    public static func closeToDumps() -> Bool {
        isClosed.withLock { isClosed in
            if !isClosed { isClosed = exq_close_to_dumps() == 0 }
            return isClosed
        }
    }
}
