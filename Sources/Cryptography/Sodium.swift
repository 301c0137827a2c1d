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

/// Secret bytes outside Swift's copying arrays: kept in locked memory with guard pages, zeroed
/// when the last owner lets go.
@safe
final class SecretBytes: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    let count: Int

    /// Copies `bytes` into protected memory. The caller's own copy is the caller's to forget.
    init(_ bytes: [UInt8]) {
        Sodium.start()
        guard let base = unsafe sodium_malloc(bytes.count) else {
            preconditionFailure("no memory for a secret")
        }
        unsafe self.base = unsafe base
        count = bytes.count
        for (offset, byte) in bytes.enumerated() {
            unsafe base.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
        }
        unsafe sodium_mprotect_readonly(base)
    }

    deinit { unsafe sodium_free(base) }

    /// Lends the bytes for the length of one call.
    func withBytes<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe body(UnsafePointer(base.assumingMemoryBound(to: UInt8.self)))
    }
}
