import CSodium
public import Primitives

/// One direction of a channel: libsodium's secretstream, both of whose ends start from an agreed
/// key and header.
struct SecretStream: ~Copyable, Sendable {
    private var state = crypto_secretstream_xchacha20poly1305_state()
    private(set) var isFinished = false

    /// Starts from a 32-byte key and the first 24 bytes of `header`. `init_pull` derives the same
    /// state as `init_push` does, but takes the header as an argument instead of drawing it.
    init(key: [UInt8], header: [UInt8]) {
        unsafe crypto_secretstream_xchacha20poly1305_init_pull(&state, header, key)
    }

    deinit {
        var forgotten = state
        unsafe sodium_memzero(&forgotten, MemoryLayout.size(ofValue: forgotten))
    }

    mutating func push(_ message: [UInt8], final: Bool) throws(SecureChannelError) -> [UInt8] {
        guard !isFinished else { throw .finished }
        let tag = final ? crypto_secretstream_xchacha20poly1305_tag_final() : 0
        var record = [UInt8](repeating: 0, count: message.count + SecureChannel.overhead)
        unsafe crypto_secretstream_xchacha20poly1305_push(
            &state, &record, nil, message, UInt64(message.count), nil, 0, tag)
        isFinished = final
        return record
    }

    mutating func pull(
        _ record: [UInt8]
    ) throws(SecureChannelError) -> (message: [UInt8], isFinal: Bool) {
        guard !isFinished else { throw .finished }
        guard record.count >= SecureChannel.overhead else { throw .brokenRecord }
        var message = [UInt8](repeating: 0, count: record.count - SecureChannel.overhead)
        var tag: UInt8 = 0
        let failed = unsafe crypto_secretstream_xchacha20poly1305_pull(
            &state, &message, nil, &tag, record, UInt64(record.count), nil, 0)
        guard failed == 0 else { throw .brokenRecord }
        isFinished = tag == crypto_secretstream_xchacha20poly1305_tag_final()
        return (message, isFinished)
    }
}

/// An open encrypted channel: seals what this side sends, opens what the other side sent.
///
/// Records must be opened in the order they were sealed; anything altered, repeated, missing or
/// swapped throws, and then the channel is of no more use. It cannot be copied, because sealing
/// twice from one state would reuse a nonce.
public struct SecureChannel: ~Copyable, Sendable {
    /// Bytes a record is longer than its message.
    public static let overhead = 17
    /// The proven identity of the other side.
    public let peer: PublicKey
    private var sending: SecretStream
    private var receiving: SecretStream

    init(peer: PublicKey, sending: consuming SecretStream, receiving: consuming SecretStream) {
        self.peer = peer
        self.sending = sending
        self.receiving = receiving
    }

    /// The next record to send. A `final` record says that nothing follows, so that the other side
    /// can tell an end from a cut; afterwards sealing throws `finished`.
    public mutating func seal(
        _ message: [UInt8], final: Bool = false
    ) throws(SecureChannelError) -> [UInt8] {
        try sending.push(message, final: final)
    }

    /// The message of the next record, and whether it is the last one.
    public mutating func open(
        _ record: [UInt8]
    ) throws(SecureChannelError) -> (message: [UInt8], isFinal: Bool) {
        try receiving.pull(record)
    }
}
