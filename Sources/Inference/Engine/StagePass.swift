import CKernels
import Synchronization

/// What a stage takes for consecutive positions of a session.
public enum PassInput: Hashable, Sendable {
    /// Tokens, for the stage with the first layer.
    case tokens([Int32])
    /// Rows of `hidden` floats that the stage before gave, for any other.
    case activations([Float])
}

extension PassInput {
    /// How many positions this is, on a stage of this width.
    func count(rowWidth: Int) -> Int {
        switch self {
        case .tokens(let tokens): tokens.count
        case .activations(let rows): rows.count / rowWidth
        }
    }

    func dropFirst(_ count: Int, rowWidth: Int) -> PassInput {
        if count == 0 { return self }
        return switch self {
        case .tokens(let tokens): .tokens(Array(tokens.dropFirst(count)))
        case .activations(let rows): .activations(Array(rows.dropFirst(count * rowWidth)))
        }
    }
}

/// One session's share of a pass.
public struct StageWork: Sendable {
    /// Whose positions these are.
    public let session: StageSession
    /// What comes in at the session's next positions.
    public let input: PassInput

    /// A share of a pass.
    public init(_ session: StageSession, _ input: PassInput) {
        self.session = session
        self.input = input
    }
}

extension Stage {
    /// Runs the next positions of several sessions together, so that each weight is read once for
    /// up to 64 of them. Prompts, single tokens and guesses may be mixed; the bytes are the same as
    /// one after the other.
    ///
    /// - Parameter work: of sessions of this stage, each of them once.
    /// - Returns: for each in order `hidden` floats a position, or why it did not run, which does
    ///   not touch the others.
    public func run(_ work: [StageWork]) -> [Result<[Float], EngineError>] {
        turn.withLock { _ in
            var pass = StagePass(stage: self)
            let shares = work.map { item in
                Result { () throws(EngineError) in try pass.add(item) }
            }
            let status = pass.run()
            return shares.map { share in
                share.flatMap { share in
                    Result { () throws(EngineError) in try pass.finish(share, status) }
                }
            }
        }
    }
}

/// The rows of one pass while they are gathered, run and handed out. Only in the stage's turn.
private struct StagePass {
    struct Share {
        let session: StageSession
        /// Where the session stood.
        let start: Int
        /// What was known of its first positions.
        let known: [Float]
        /// The first position that is run, and its rows in the pass.
        let position: Int
        let rows: Range<Int>
        /// Where the pages of the session are among those of the pass.
        let firstPage: Int
    }

    private let stage: Stage
    private var x: [Float] = []
    private var pages: [KVPage] = []
    private var shares: [Share] = []

    init(stage: Stage) {
        self.stage = stage
    }

    /// Checks and embeds what comes in and takes the pages for it.
    mutating func add(_ work: StageWork) throws(EngineError) -> Share {
        let session = work.session
        precondition(session.stage === stage, "a session of another stage")
        if shares.contains(where: { $0.session === session }) { throw .sessionRepeated }
        let hidden = stage.model.architecture.hidden
        let count = try stage.check(work.input)
        try session.checkRoom(for: count)
        let start = session.position
        let known = session.adopt(work.input)
        let adopted = session.position - start
        do throws(EngineError) {
            let found = try session.makeRoom(for: count - adopted)
            let first = x.count / hidden
            let share = Share(
                session: session, start: start, known: known, position: session.position,
                rows: first..<first + count - adopted, firstPage: pages.count)
            x.append(contentsOf: stage.rows(work.input.dropFirst(adopted, rowWidth: hidden)))
            pages.append(contentsOf: found)
            shares.append(share)
            return share
        } catch {
            session.cut(to: start)
            throw error
        }
    }

    mutating func run() -> Int32 {
        if x.isEmpty { return Int32(XK_OK) }
        let memory = unsafe pages.map { unsafe Optional($0.memory) }
        return unsafe memory.withUnsafeBufferPointer { memory in
            let segments = unsafe shares.map { share in
                unsafe xk_segment(
                    pages: memory.baseAddress.map { unsafe $0 + share.firstPage },
                    position: Int32(share.position), count: Int32(share.rows.count))
            }
            return unsafe x.withUnsafeMutableBufferPointer { x in
                unsafe xk_stage_run(
                    stage.handle, segments, Int32(segments.count), x.baseAddress)
            }
        }
    }

    /// What came out for one session.
    func finish(_ share: Share, _ status: Int32) throws(EngineError) -> [Float] {
        let hidden = stage.model.architecture.hidden
        let rows = x[share.rows.lowerBound * hidden..<share.rows.upperBound * hidden]
        guard status == Int32(XK_OK), Stage.areFinite(rows) else {
            share.session.cut(to: share.start)
            throw status == Int32(XK_OK) ? .resultNotFinite : .outOfMemory
        }
        share.session.advance(by: share.rows.count, outputs: rows)
        return share.known + rows
    }
}
