import Inference
import Primitives

/// The requests on one stage and the windows that wait for it, as a value: decides what is run
/// next, waits for nothing. `RingStage` computes what it hands out.
struct RingTable {
    /// What is to be computed at once: a window of one request.
    struct Work {
        let job: JobID
        /// Windows that came one after the other, as one.
        let window: RingWindow
        /// Whether the epoch goes on from the window before.
        let continues: Bool
        let session: StageSession
        /// Judges guesses; on the last stage only.
        var judge: DraftJudge?
    }

    private struct Request {
        let session: StageSession
        var judge: DraftJudge?
        /// The epoch of the window that was run last.
        var epoch: UInt32 = 0
        /// The newest epoch that was heard of; older windows are skipped.
        var newest: UInt32 = 0
        var settled = 0
        var waiting: [RingWindow] = []
        var bytes = 0
        var isRunning = false
    }

    private let limits: RingLimits
    private let hidden: Int
    private let isFirst: Bool
    private var requests: [JobID: Request] = [:]
    /// Requests with waiting windows, the one that waits longest first.
    private var turns: [JobID] = []
    /// Bytes of windows that wait.
    private(set) var waitingBytes = 0
    /// Windows that were not run because a newer epoch had begun.
    private(set) var skipped = 0

    init(limits: RingLimits, stage: Stage) {
        self.limits = limits
        hidden = stage.model.architecture.hidden
        isFirst = stage.isFirst
    }

    var count: Int { requests.count }
    private var positions: Int { requests.values.reduce(0) { $0 + $1.session.capacity } }

    /// Makes room for a request whose memory `make` gives.
    mutating func open(
        _ job: JobID, capacity: Int, judge: DraftJudge?,
        make: () throws(EngineError) -> StageSession
    ) throws(RingFault) {
        guard requests[job] == nil else {
            throw RingFault(.alreadyOpen, "request \(job) has been opened already")
        }
        guard requests.count < limits.requests else {
            throw RingFault(.busy, "\(requests.count) requests are open, as many as are taken")
        }
        guard capacity >= 1, capacity <= limits.positions else {
            throw RingFault(
                .contextTooLong, "\(capacity) positions, at most \(limits.positions) are taken")
        }
        guard capacity <= limits.allPositions - positions else {
            throw RingFault(
                .busy, "\(positions) positions are in use, \(capacity) more do not fit")
        }
        do {
            requests[job] = Request(session: try make(), judge: judge)
        } catch {
            throw RingFault(error)
        }
    }

    /// Forgets a request and all that waits for it.
    mutating func close(_ job: JobID) {
        guard let request = requests.removeValue(forKey: job) else { return }
        waitingBytes -= request.bytes
        turns.removeAll { $0 == job }
    }

    /// Windows of epochs before `epoch` need not be run.
    mutating func discard(_ job: JobID, before epoch: UInt32) {
        guard let newest = requests[job]?.newest, epoch > newest else { return }
        requests[job]?.newest = epoch
        purge(job)
    }

    private mutating func purge(_ job: JobID) {
        guard var request = requests[job], !request.waiting.isEmpty else { return }
        let newest = request.newest
        let old = request.waiting.prefix { $0.epoch < newest }
        skipped += old.count
        for window in old { request.bytes -= Self.bytes(window) }
        waitingBytes -= old.reduce(0) { $0 + Self.bytes($1) }
        request.waiting.removeFirst(old.count)
        if request.waiting.isEmpty { turns.removeAll { $0 == job } }
        requests[job] = request
    }

    /// Takes a window to be run. One of an older epoch is skipped without a word.
    mutating func offer(_ window: RingWindow, to job: JobID) throws(RingFault) {
        guard let request = requests[job] else {
            throw RingFault(.unknownRequest, "request \(job) is not open here")
        }
        if window.epoch < request.newest {
            skipped += 1
            return
        }
        try check(window, for: request)
        if window.epoch > request.newest { discard(job, before: window.epoch) }
        let bytes = Self.bytes(window)
        guard request.bytes + bytes <= limits.waitingBytesPerRequest else {
            throw RingFault(.tooMuchWaiting, "more windows wait than one request may have")
        }
        requests[job]?.settled = max(request.settled, Int(window.settled))
        requests[job]?.waiting.append(window)
        requests[job]?.bytes += bytes
        waitingBytes += bytes
        if requests[job]?.waiting.count == 1, requests[job]?.isRunning == false {
            turns.append(job)
        }
    }

    private func check(_ window: RingWindow, for request: Request) throws(RingFault) {
        let count = window.tokens.count
        guard count >= 1, count <= limits.rows else {
            throw RingFault(.tooManyRows, "\(count) rows in a window, 1 to \(limits.rows) fit")
        }
        let expected = isFirst ? 0 : count * hidden
        guard window.rows.count == expected else {
            throw RingFault(
                .wrongWidth, "\(window.rows.count) values where \(expected) belong")
        }
        guard Int(window.start) + count <= request.session.capacity,
            window.epoch < .max
        else {
            throw RingFault(
                .tooManyPositions,
                "\(Int(window.start) + count) positions, opened for \(request.session.capacity)")
        }
        guard window.settled <= window.start else {
            throw RingFault(.outOfOrder, "what is settled ends after the window's start")
        }
        guard Int(window.start) >= request.settled else {
            throw RingFault(
                .settledTakenBack,
                "position \(window.start) is taken back, settled are \(request.settled)")
        }
    }

    /// What is to be run now: a window of each request that `mayRun`, in turns, until they have
    /// `rows` positions. Windows of one request that follow each other become one.
    mutating func take(rows: Int, mayRun: (JobID) -> Bool) -> [Result<Work, Refusal>] {
        var taken: [Result<Work, Refusal>] = []
        var later: [JobID] = []
        var count = 0
        for job in turns {
            guard count < rows, mayRun(job) else {
                later.append(job)
                continue
            }
            do throws(RingFault) {
                if let work = try take(job) {
                    count += work.window.tokens.count
                    taken.append(.success(work))
                }
            } catch {
                taken.append(.failure(Refusal(job: job, fault: error)))
            }
        }
        turns = later
        return taken
    }

    /// A request that cannot go on.
    struct Refusal: Error {
        let job: JobID
        let fault: RingFault
    }

    private mutating func take(_ job: JobID) throws(RingFault) -> Work? {
        guard var request = requests[job], var window = request.waiting.first else { return nil }
        request.waiting.removeFirst()
        var bytes = Self.bytes(window)
        while let next = request.waiting.first, next.epoch == window.epoch,
            next.start == window.start + UInt32(window.tokens.count),
            window.tokens.count + next.tokens.count <= limits.rows
        {
            request.waiting.removeFirst()
            bytes += Self.bytes(next)
            window.tokens += next.tokens
            window.rows += next.rows
            window.slowest = max(window.slowest, next.slowest)
        }
        request.bytes -= bytes
        waitingBytes -= bytes
        let continues = window.epoch == request.epoch
        let position = request.session.position
        let start = Int(window.start)
        guard continues ? start == position : start <= position else {
            throw RingFault(
                .outOfOrder, "a window starts at position \(start), the next is \(position)")
        }
        request.epoch = window.epoch
        request.isRunning = true
        requests[job] = request
        return Work(
            job: job, window: window, continues: continues, session: request.session,
            judge: request.judge)
    }

    /// A window was run. Returns whether what came out is still wanted: not if the request was
    /// closed or the window taken back meanwhile.
    ///
    /// - Parameter hasEnded: nothing more of the window's epoch is worth running.
    mutating func finish(_ work: Work, hasEnded: Bool) -> Bool {
        guard let request = requests[work.job] else { return false }
        requests[work.job]?.isRunning = false
        requests[work.job]?.judge = work.judge
        if !request.waiting.isEmpty { turns.append(work.job) }
        if hasEnded { discard(work.job, before: work.window.epoch + 1) }
        return work.window.epoch >= request.newest
    }

    /// How many windows of a request wait.
    func waiting(_ job: JobID) -> Int { requests[job]?.waiting.count ?? 0 }

    private static func bytes(_ window: RingWindow) -> Int {
        4 * (window.tokens.count + window.rows.count) + 64
    }
}
