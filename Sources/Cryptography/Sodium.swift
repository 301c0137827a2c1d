import CSodium

/// libsodium, started once. Every use of it in this module goes through `ready` first.
enum Sodium {
    /// Runs `sodium_init`, which picks the fastest implementations for this processor.
    static let ready: Bool = sodium_init() >= 0

    /// Traps unless the library could be started: nothing below would be safe.
    @inline(__always)
    static func start() {
        precondition(ready, "libsodium could not be started")
    }
}
