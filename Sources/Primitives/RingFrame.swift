/// Payloads of the frames of a ring (`docs/reference/wire.md`): stages that pass windows of
/// positions straight on, the last of which answers the head.

/// What a stage needs to know to take part in one request. The rest of the ring travels in it, so
/// that nobody but the head knows the whole route in advance.
public struct RingOpen: CanonicalCodable, Hashable, Sendable {
    /// A stage after the one that reads this.
    public struct Hop: CanonicalCodable, Hashable, Sendable {
        /// Who it is.
        public var key: PublicKey
        /// Where it listens, as `HOST:PORT`; at most 255 bytes.
        public var address: String

        /// A stage with its address.
        public init(key: PublicKey, address: String) {
            self.key = key
            self.address = address
        }

        public func encode(into writer: inout ByteWriter) {
            writer.write(key)
            writer.write(address)
        }

        public init(from reader: inout ByteReader) throws(CodecError) {
            key = try reader.read()
            address = try reader.readString(limit: 255)
        }
    }

    /// The most stages after the first.
    public static let maximumHops = 63
    /// The most bytes of sampling parameters.
    public static let maximumSampling = 48 << 10

    /// The root of the model.
    public var model: Digest
    /// The head, whom the last stage answers.
    public var head: PublicKey
    /// On which of the head's links: the number of the ping that it sent there.
    public var answers: JobID
    /// The first layer that is still to be run.
    public var layer: UInt16
    /// Tokens in the prompt: the first token is chosen at the last of them.
    public var promptTokens: UInt32
    /// How many positions there will be at most.
    public var capacity: UInt32
    /// The canonical bytes of the sampling parameters; at most `maximumSampling`.
    public var sampling: [UInt8]
    /// The stages after this one, in order; none for the last.
    public var hops: [Hop]

    /// An order to open, with all its fields.
    public init(
        model: Digest, head: PublicKey, answers: JobID, layer: UInt16, promptTokens: UInt32,
        capacity: UInt32, sampling: [UInt8], hops: [Hop]
    ) {
        self.model = model
        self.head = head
        self.answers = answers
        self.layer = layer
        self.promptTokens = promptTokens
        self.capacity = capacity
        self.sampling = sampling
        self.hops = hops
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(model)
        writer.write(head)
        writer.write(answers)
        writer.write(layer)
        writer.write(promptTokens)
        writer.write(capacity)
        writer.write(sampling)
        writer.write(hops)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        model = try reader.readDigest()
        head = try reader.read()
        answers = try reader.read()
        layer = try reader.readUInt16()
        promptTokens = try reader.readUInt32()
        capacity = try reader.readUInt32()
        sampling = try reader.readBytes(limit: Self.maximumSampling)
        hops = try reader.readArray(limit: Self.maximumHops)
    }

    /// The frame that carries this; throws only if the fields are over their limits by far.
    public func frame(stage: UInt16, job: JobID) throws(WireFrameError) -> WireFrame {
        try WireFrame(kind: .open, stage: stage, job: job, attempt: 1, payload: canonicalBytes())
    }
}

/// Positions to be run, and the tokens that stand there: some certain, the others guesses that the
/// last stage judges. A window of a new epoch takes everything back from its start on.
public struct RingWindow: Hashable, Sendable {
    static let fixedBytes = 12

    /// How many times the head has taken something back.
    public var epoch: UInt32
    /// Positions below this will never be taken back; at most `start`.
    public var settled: UInt32
    /// The first position.
    public var start: UInt32
    /// The longest that any stage so far computed on this window, in microseconds. Only a hint.
    public var slowest: UInt32
    /// The token at each position.
    public var tokens: [Int32]
    /// The output of the stage before, row after row; empty for the stage that embeds.
    public var rows: [Float]

    /// A window with all its fields.
    public init(
        epoch: UInt32, settled: UInt32, start: UInt32, slowest: UInt32 = 0, tokens: [Int32],
        rows: [Float] = []
    ) {
        self.epoch = epoch
        self.settled = settled
        self.start = start
        self.slowest = slowest
        self.tokens = tokens
        self.rows = rows
    }

    /// Values in each row of a payload of so many positions and bytes; `nil` if they do not fit.
    static func width(count: Int, payload: Int) -> Int? {
        let values = payload - fixedBytes - 4 * count
        guard count > 0, values >= 0, values.isMultiple(of: 4 * count) else { return nil }
        return values / (4 * count)
    }

    /// The frame that carries this. Throws for no positions, ragged rows or too much for a frame.
    public func frame(stage: UInt16, job: JobID) throws(WireFrameError) -> WireFrame {
        var writer = ByteWriter()
        writer.reserveCapacity(Self.fixedBytes + 4 * (tokens.count + rows.count))
        writer.write(epoch)
        writer.write(settled)
        writer.write(slowest)
        writer.writeWords(tokens)
        writer.writeWords(rows)
        return try WireFrame(
            kind: .window, stage: stage, job: job, attempt: 1, position: start,
            count: UInt32(clamping: tokens.count), payload: writer.bytes)
    }

    /// What a `window` frame carries; `nil` for another kind.
    public init?(_ frame: WireFrame) {
        guard frame.kind == .window else { return nil }
        let values = (frame.payload.count - Self.fixedBytes) / 4 - Int(frame.count)
        var reader = ByteReader(frame.payload)
        do {
            epoch = try reader.readUInt32()
            settled = try reader.readUInt32()
            slowest = try reader.readUInt32()
            tokens = try reader.readWords(Int(frame.count))
            rows = try reader.readWords(values)
        } catch {
            return nil
        }
        start = frame.position
    }
}

/// What the last stage chose: the token after each position from `position` on that stands. If that
/// is not what the head guessed, the guess and all after it are void, and the last stage runs
/// nothing more of the epoch.
public struct RingVerdict: Hashable, Sendable {
    static let fixedBytes = 8

    /// The epoch of the windows that were judged.
    public var epoch: UInt32
    /// The position before the first token's; where no token was due, the position up to which the
    /// prompt was run.
    public var position: UInt32
    /// As in `RingWindow`, the last stage included.
    public var slowest: UInt32
    /// The tokens chosen for `position + 1` and on.
    public var tokens: [Int32]

    /// A verdict with all its fields.
    public init(epoch: UInt32, position: UInt32, slowest: UInt32, tokens: [Int32]) {
        self.epoch = epoch
        self.position = position
        self.slowest = slowest
        self.tokens = tokens
    }

    /// The position after the last one that stands.
    public var through: Int { Int(position) + tokens.count }

    /// The frame that carries this. Throws for more tokens than fit a frame.
    public func frame(stage: UInt16, job: JobID) throws(WireFrameError) -> WireFrame {
        var writer = ByteWriter()
        writer.write(epoch)
        writer.write(slowest)
        writer.writeWords(tokens)
        return try WireFrame(
            kind: .verdict, stage: stage, job: job, attempt: 1, position: position,
            count: UInt32(clamping: tokens.count), payload: writer.bytes)
    }

    /// What a `verdict` frame carries; `nil` for another kind.
    public init?(_ frame: WireFrame) {
        guard frame.kind == .verdict else { return nil }
        var reader = ByteReader(frame.payload)
        do {
            epoch = try reader.readUInt32()
            slowest = try reader.readUInt32()
            tokens = try reader.readWords(Int(frame.count))
        } catch {
            return nil
        }
        position = frame.position
    }
}

extension WireFrame {
    /// Says that windows of epochs before `epoch` need not be run.
    public static func discard(before epoch: UInt32, stage: UInt16, job: JobID) -> WireFrame {
        var writer = ByteWriter()
        writer.write(epoch)
        do {
            return try WireFrame(
                kind: .discard, stage: stage, job: job, attempt: 1, payload: writer.bytes)
        } catch {
            preconditionFailure("four bytes always fit: \(error)")
        }
    }

    /// The epoch of a `discard` frame.
    public var discardedEpoch: UInt32? {
        guard kind == .discard else { return nil }
        var reader = ByteReader(payload)
        return try? reader.readUInt32()
    }
}

/// A number of 32 bits as it lies in memory.
private protocol Word: BitwiseCopyable {}
extension Int32: Word {}
extension Float: Word {}

extension ByteWriter {
    /// Writes 32-bit numbers, little endian as every machine this runs on.
    fileprivate mutating func writeWords(_ words: [some Word]) {
        unsafe words.withUnsafeBytes { unsafe writeRaw($0) }
    }
}

extension ByteReader {
    /// Reads `count` 32-bit numbers, little endian as every machine this runs on.
    fileprivate mutating func readWords<Value: Word>(
        _ count: Int
    ) throws(CodecError) -> [Value] {
        let bytes = try readRaw(count: 4 * count)
        return unsafe [Value](unsafeUninitializedCapacity: count) { buffer, filled in
            unsafe bytes.withUnsafeBytes {
                unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0)
            }
            filled = count
        }
    }
}
