/// Why bytes are not a frame. A link that carried one is closed.
public enum WireFrameError: Error, Hashable, Sendable {
    /// Fewer bytes than the header, or than the header says.
    case truncated
    /// More bytes than the header says.
    case trailingBytes
    /// Another version of the format; carries the version byte.
    case unknownVersion(UInt8)
    /// A frame type this version does not have; carries the type byte.
    case unknownKind(UInt8)
    /// The payload is over the limit; carries its claimed length.
    case payloadTooLarge(UInt32)
    /// The payload's length does not fit the frame's type and count.
    case payloadMismatch
    /// A fault's text is not UTF-8.
    case badText
}

/// One message between the stages of a pipeline (`docs/reference/wire.md`). All integers are
/// little endian.
///
/// ```
/// offset size field
///      0    1 version, 1
///      1    1 kind
///      2    2 stage: the sender's place in the pipeline
///      4    8 job
///     12    4 attempt
///     16    4 position: the first position the payload is about
///     20    4 count: tokens or activation rows in the payload
///     24    4 payload length in bytes
///     28      payload
/// ```
public struct WireFrame: Hashable, Sendable {
    /// What a frame says.
    public enum Kind: UInt8, CaseIterable, Hashable, Sendable {
        /// This stage can start; the payload is up to the protocol above. Count is 0.
        case ready = 1
        /// Token ids to process: `count` signed 32-bit integers.
        case tokens = 2
        /// The output of the stage before: `count` rows of F32, all of one width.
        case activations = 3
        /// Nothing more will come for this job. No payload.
        case end = 4
        /// The job is to be dropped. No payload.
        case cancel = 5
        /// The job failed: a 16-bit code, then text for people. Count is 0.
        case fault = 6
        /// Asks for a pong. No payload.
        case ping = 7
        /// Answers a ping. No payload.
        case pong = 8
        /// Tokens the last stage chose: `count` signed 32-bit integers.
        case sampled = 9
        /// Starts a request on a ring: a `RingOpen`. Count is 0.
        case open = 10
        /// Positions to be run on a ring: a `RingWindow` of `count` positions.
        case window = 11
        /// What the last stage of a ring found: a `RingVerdict` with `count` tokens.
        case verdict = 12
        /// Windows of earlier epochs need not be run any more: the 32-bit epoch. Count is 0.
        case discard = 13
        /// What the last stage thought of the tokens it chose, before the `sampled` frame with
        /// them: `count` rows of (32-bit token, F64 logarithm of its probability), the chosen
        /// token first, then the most likely ones.
        case scores = 14
    }

    /// The version this type reads and writes.
    public static let version: UInt8 = 1
    /// Bytes before the payload.
    public static let headerBytes = 28
    /// The longest payload any frame may have: 16 MiB less the header.
    public static let maximumPayload = 16 << 20 - headerBytes

    /// What the frame says.
    public let kind: Kind
    /// The sender's place in the pipeline.
    public let stage: UInt16
    /// The job the frame belongs to; none for ping and pong.
    public let job: JobID
    /// The attempt at the job.
    public let attempt: UInt32
    /// The first position the payload is about.
    public let position: UInt32
    /// How many tokens or activation rows the payload holds.
    public let count: UInt32
    /// The payload as it travels.
    public let payload: [UInt8]

    /// A frame of these parts; throws if the payload does not fit the kind and count.
    public init(
        kind: Kind, stage: UInt16, job: JobID, attempt: UInt32, position: UInt32 = 0,
        count: UInt32 = 0, payload: [UInt8] = []
    ) throws(WireFrameError) {
        guard payload.count <= Self.maximumPayload else {
            throw .payloadTooLarge(UInt32(clamping: payload.count))
        }
        self.kind = kind
        self.stage = stage
        self.job = job
        self.attempt = attempt
        self.position = position
        self.count = count
        self.payload = payload
        try check()
    }

    private func check() throws(WireFrameError) {
        let fits =
            switch kind {
            case .end, .cancel, .ping, .pong: count == 0 && payload.isEmpty
            case .ready: count == 0
            case .tokens, .sampled: count > 0 && payload.count == 4 * Int(count)
            case .activations:
                count > 0 && !payload.isEmpty && payload.count.isMultiple(of: 4 * Int(count))
            case .fault: count == 0 && payload.count >= 2
            case .open: count == 0 && !payload.isEmpty
            case .window: RingWindow.width(count: Int(count), payload: payload.count) != nil
            case .verdict: payload.count == RingVerdict.fixedBytes + 4 * Int(count)
            case .discard: count == 0 && payload.count == 4
            case .scores: Self.areScores(count: Int(count), payload: payload.count)
            }
        guard fits else { throw .payloadMismatch }
        if kind == .fault, String(validating: payload.dropFirst(2), as: UTF8.self) == nil {
            throw .badText
        }
    }

    /// Reads exactly one frame whose payload has at most `limit` bytes.
    public init(
        _ bytes: [UInt8], limit: Int = WireFrame.maximumPayload
    ) throws(WireFrameError) {
        var reader = ByteReader(bytes)
        let header: Header
        do { header = try Header(&reader) } catch { throw .truncated }
        guard header.version == Self.version else { throw .unknownVersion(header.version) }
        guard let kind = Kind(rawValue: header.kind) else { throw .unknownKind(header.kind) }
        guard Int(header.length) <= limit else { throw .payloadTooLarge(header.length) }
        guard reader.remaining >= Int(header.length) else { throw .truncated }
        guard reader.remaining == Int(header.length) else { throw .trailingBytes }
        try self.init(
            kind: kind, stage: header.stage, job: header.job, attempt: header.attempt,
            position: header.position, count: header.count,
            payload: Array(bytes[Self.headerBytes...]))
    }

    /// The frame as it travels.
    public func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Self.version)
        writer.write(kind.rawValue)
        writer.write(stage)
        writer.write(job)
        writer.write(attempt)
        writer.write(position)
        writer.write(count)
        writer.write(payload)
        return writer.bytes
    }

    private struct Header {
        let version: UInt8
        let kind: UInt8
        let stage: UInt16
        let job: JobID
        let attempt: UInt32
        let position: UInt32
        let count: UInt32
        let length: UInt32

        init(_ reader: inout ByteReader) throws(CodecError) {
            version = try reader.readUInt8()
            kind = try reader.readUInt8()
            stage = try reader.readUInt16()
            job = try reader.read()
            attempt = try reader.readUInt32()
            position = try reader.readUInt32()
            count = try reader.readUInt32()
            length = try reader.readUInt32()
        }
    }
}
