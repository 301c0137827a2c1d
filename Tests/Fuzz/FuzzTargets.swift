import Glibc
import Inference
import Primitives

// Fuzzes what strangers send to the text side of the engine and on the wire. libFuzzer's driver has
// the main function; EXCHEQUER_FUZZ_TARGET says which target an input is for. Built and run by
// `make fuzz` (Tests/Harness/fuzz.sh).

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    FuzzTargets.chosen.run(unsafe Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

/// What must hold for any input.
enum FuzzTargets: String {
    case gguf, encode, decode, chat, schema, frame

    /// The one that this process fuzzes.
    static let chosen: FuzzTargets = {
        let name = unsafe getenv("EXCHEQUER_FUZZ_TARGET").map { unsafe String(cString: $0) }
        guard let target = FuzzTargets(rawValue: name ?? "") else {
            fatalError("EXCHEQUER_FUZZ_TARGET is gguf, encode, decode, chat, schema or frame")
        }
        return target
    }()

    func run(_ bytes: [UInt8]) {
        switch self {
        case .gguf: Self.gguf(bytes)
        case .encode: Self.encode(bytes)
        case .decode: Self.decode(bytes)
        case .chat: Self.chat(bytes)
        case .schema: Self.schema(bytes)
        case .frame: Self.frame(bytes)
        }
    }

    /// The vocabularies texts are encoded with: those of EXCHEQUER_FUZZ_VOCABULARIES, files with
    /// colons between.
    private static let tokenizers: [Tokenizer] = {
        let paths = unsafe getenv("EXCHEQUER_FUZZ_VOCABULARIES").map { unsafe String(cString: $0) }
        let found = (paths ?? "").split(separator: ":").map { path in
            do throws(ModelError) {
                return try Tokenizer(GGUFFile(path: String(path)))
            } catch {
                fatalError("\(path): \(error)")
            }
        }
        guard !found.isEmpty else { fatalError("EXCHEQUER_FUZZ_VOCABULARIES names no file") }
        return found
    }()

    private static let templates = ChatTemplate.names.compactMap {
        ChatTemplate(named: $0, begin: "<s>", end: "</s>")
    }

    /// A file is refused, or its tokenizer gives tokens of its own.
    private static func gguf(_ bytes: [UInt8]) {
        guard let file = try? GGUFFile(bytes: bytes) else { return }
        for tensor in file.tensors {
            precondition(tensor.offset >= 0 && tensor.offset + tensor.byteCount <= bytes.count)
        }
        _ = try? ModelFile(file: file)
        guard let tokenizer = try? Tokenizer(file) else { return }
        let text = "Hello  wörld 123\n<s>\u{0}日本"
        guard let tokens = try? tokenizer.encode(text, parseSpecial: true, addSpecial: true) else {
            fatalError("a short text is not encoded")
        }
        precondition(tokens.allSatisfy { $0 >= 0 && Int($0) < tokenizer.count })
        _ = tokenizer.decode(tokens)
    }

    /// Any text comes back from its tokens, and one that is not trusted has no control tokens.
    private static func encode(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let place = Int(first) % tokenizers.count
        let tokenizer = tokenizers[place]
        let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
        guard let plain = try? tokenizer.encode(text) else { fatalError("not encoded") }
        precondition(plain.allSatisfy { tokenizer.kind($0) != .control }, "a forged token")
        check(plain, text, place)
        guard let special = try? tokenizer.encode(text, parseSpecial: true) else {
            fatalError("not encoded")
        }
        check(special, text, place)
    }

    /// The bytes that each of `tokenizers` has tokens for: the demonstration model lacks some.
    private static let known = tokenizers.map { tokenizer in
        let pieces = (0..<Int32(tokenizer.count)).map { tokenizer.bytes(of: $0) }
        return Set(pieces.filter { $0.count == 1 }.joined())
    }

    private static func check(_ tokens: [Int32], _ text: String, _ place: Int) {
        // U+2581 and the space are the same to SentencePiece; a prefix may double the first space.
        func normal(_ bytes: [UInt8]) -> [UInt8] {
            bytes.replacing([0xe2, 0x96, 0x81], with: [])
                .filter { $0 > 0x20 && known[place].contains($0) }
        }
        let pieces = tokens.flatMap { tokenizers[place].bytes(of: $0) }
        precondition(
            normal(pieces) == normal(Array(text.utf8)), "\(tokens) for \(text.debugDescription)")
    }

    /// Any tokens have a text, and the text streamed in pieces is the same.
    private static func decode(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let tokenizer = tokenizers[Int(first) % tokenizers.count]
        var decoder = StreamDecoder()
        var whole: [UInt8] = []
        var streamed: [UInt8] = []
        for place in stride(from: 1, to: bytes.count - 2, by: 3) {
            let token = Int32(bytes[place]) | Int32(bytes[place + 1]) << 8
            let piece = tokenizer.bytes(of: token - 256 * Int32(bytes[place + 2] & 1))
            whole += piece
            streamed += decoder.append(piece).utf8
        }
        streamed += decoder.finish().utf8
        precondition(streamed == Array(String(decoding: whole, as: UTF8.self).utf8))
    }

    /// A conversation is refused, or its prompt has every message of a role the format shows.
    private static func chat(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let template = templates[Int(first) % templates.count]
        let roles = ["system", "user", "assistant", "tool"]
        let messages = bytes.dropFirst().split(separator: 0, omittingEmptySubsequences: false)
            .map { part in
                ChatMessage(
                    role: roles[Int(part.first ?? 1) % 4],
                    content: String(decoding: part.dropFirst(), as: UTF8.self))
            }
        guard let prompt = try? template.render(messages) else { return }
        let tokenizer = tokenizers[0]
        guard let tokens = try? tokenizer.encode(prompt) else { fatalError("not encoded") }
        // What the template says without the messages is all that may steer.
        let blank = messages.map { ChatMessage(role: $0.role, content: "x") }
        guard let marks = try? tokenizer.encode(template.render(blank)) else { return }
        func controls(_ tokens: [Int32]) -> Int {
            tokens.count { tokenizer.kind($0) == .control }
        }
        let dropsEmpty = messages.contains { $0.content.isEmpty }
        precondition(dropsEmpty || controls(tokens) == controls(marks), "a forged token")
    }

    /// What is fuzzed besides schemas: choices that lead an answer, behind the first zero byte.
    private static func schema(_ bytes: [UInt8]) {
        let parts = bytes.split(
            separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        guard let format = try? OutputFormat(schema: parts[0]) else { return }
        let tokenizer = tokenizers[0]
        let constraints = OutputConstraints(tokenizer)
        guard let constraint = try? constraints.constraint(for: format) else { return }
        var progress = constraint.start
        var text: [UInt8] = []
        // Any answer can go on until it is complete, and is then one of the format.
        for choice in (parts.count > 1 ? parts[1] : []).prefix(32) {
            let mask = constraint.allowed(after: progress)
            precondition(!mask.isEmpty, "no token after \(text)")
            let start = Int32(choice) * 191 % Int32(tokenizer.count)
            let token = (start..<Int32(tokenizer.count)).first(where: mask.contains)
            guard let token = token ?? (0..<start).first(where: mask.contains) else {
                fatalError("no token is in a mask that is not empty")
            }
            precondition(!tokenizer.isEnd(token) || progress.isComplete, "an early end")
            if tokenizer.isEnd(token) { break }
            text += tokenizer.bytes(of: token)
            progress = constraint.progress(progress, after: token)
            precondition(!progress.isBroken, "a token that cannot be read")
        }
        guard progress.isComplete else { return }
        precondition((try? format.accepts(text)) == true, "not of the format: \(text)")
        precondition((try? OrderedJSON(text)) != nil, "no JSON: \(text)")
    }

    /// A frame is refused, or it is the only spelling of what it says, and so is what it carries.
    private static func frame(_ bytes: [UInt8]) {
        guard let frame = try? WireFrame(bytes) else { return }
        precondition(frame.encoded() == bytes, "another spelling")
        let job = frame.job
        let stage = frame.stage
        precondition(frame.kind != .tokens || frame.tokenIDs.count == Int(frame.count))
        precondition(
            frame.kind != .activations
                || frame.activationValues.count == Int(frame.count) * frame.rowWidth)
        precondition(frame.kind != .fault || frame.fault != nil)
        precondition(frame.kind != .discard || frame.discardedEpoch != nil)
        precondition(frame.kind != .scores || frame.positionScores.count == Int(frame.count))
        if frame.kind == .window {
            let window = RingWindow(frame)
            precondition(window?.tokens.count == Int(frame.count))
            let again = try? window?.frame(stage: stage, job: job)
            precondition(again?.payload == frame.payload)
        }
        if frame.kind == .verdict {
            let again = try? RingVerdict(frame)?.frame(stage: stage, job: job)
            precondition(again?.payload == frame.payload)
        }
        func check<Message: CanonicalCodable>(_ kind: WireFrame.Kind, _: Message.Type) {
            guard frame.kind == kind else { return }
            guard let message = try? Message(canonicalBytes: frame.payload) else { return }
            precondition(message.canonicalBytes() == frame.payload, "another spelling")
        }
        check(.open, RingOpen.self)
        check(.survey, RingSurvey.self)
        check(.report, RingReport.self)
        check(.prepare, RingPrepare.self)
    }
}
