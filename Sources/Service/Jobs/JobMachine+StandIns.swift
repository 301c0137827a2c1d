public import Primitives

/// Nodes that compute a stage along with the one that has it (decision 40): each is fed the
/// positions that have come out of the stage, a bounded way behind, and has to give the same. When
/// the stage is lost, its stand-in goes on from where it is.
extension JobMachine {
    /// What a stand-in is told.
    public enum StandInOrder: Equatable, Sendable {
        /// Send its node the assignment.
        case assign
        /// Send it this frame.
        case send(WireFrame)
        /// Tell it, where it gets assignments, to drop the attempt.
        case dismiss
    }

    /// How far a stand-in is.
    struct StandIn: Sendable {
        var isReady = false
        /// Positions it was sent, and that came out of it.
        var sent = 0
        var done = 0
        /// Where it goes on with what it did in an earlier attempt.
        var resumeAt: Int?
    }

    /// The most positions a stand-in is sent ahead of what came out of it.
    public static let standInWindow = 1_024

    /// Stages with a stand-in.
    public var standsIn: Set<Int> { Set(standIns.keys) }

    /// Where a stage's stand-in goes on with what it did in an earlier attempt; `nil` if it begins.
    public func resumeOfStandIn(stage: Int) -> (attempt: UInt32, position: Int)? {
        standIns[stage]?.resumeAt.map { (previousAttempt, $0) }
    }

    /// A node stands in for a stage from now on. Nothing happens if the stage has one, or positions
    /// do not run.
    public mutating func standIn(for stage: Int) -> [Effect] {
        guard phase == .running, !runsAhead, stage < stageCount, standIns[stage] == nil else {
            return []
        }
        standIns[stage] = StandIn()
        return [.standIn(.assign, stage: stage)]
    }

    /// The stand-in of a stage is gone. Nobody is blamed: it was paid for nothing.
    public mutating func loseStandIn(of stage: Int) { standIns[stage] = nil }

    /// Takes a frame of the node that stands in for a stage. One that does not belong there, or
    /// says other than the stage did, ends the standing in: who is wrong is for audits.
    public mutating func receiveFromStandIn(_ frame: WireFrame) -> [Effect] {
        let stage = Int(frame.stage)
        guard frame.attempt == attempt, phase == .running, var place = standIns[stage] else {
            return []
        }
        switch frame.kind {
        case .ready where !place.isReady && [0, place.resumeAt ?? 0].contains(Int(frame.position)):
            place.isReady = true
            (place.sent, place.done) = (Int(frame.position), Int(frame.position))
        case .activations where place.isReady && stage < stageCount - 1 && agrees(frame, place):
            place.done += Int(frame.count)
        case .sampled where place.isReady && stage == stageCount - 1 && agrees(frame, place):
            place.done = Int(frame.position) + Int(frame.count)
        case .scores where place.isReady && stage == stageCount - 1: break
        case .fault:
            standIns[stage] = nil
            return []
        default: return dropStandIn(of: stage)
        }
        standIns[stage] = place
        return feedStandIns()
    }

    /// Whether rows or tokens are those that the stage gave for the next positions.
    private func agrees(_ frame: WireFrame, _ place: StandIn) -> Bool {
        let (stage, count, width) = (Int(frame.stage), Int(frame.count), spec.rowBytes)
        if frame.kind == .activations {
            guard Int(frame.position) == place.done, count <= place.sent - place.done
            else { return false }
            let rows = boundaries[stage][place.done * width..<(place.done + count) * width]
            return rows.elementsEqual(frame.payload)
        }
        let first = Int(frame.position) - (spec.prompt.count - 1)
        guard Int(frame.position) == max(place.done, spec.prompt.count - 1),
            Int(frame.position) + count <= place.sent
        else { return false }
        return output[first..<first + count].elementsEqual(frame.tokenIDs)
    }

    /// Sends stand-ins what has come out of their stages, as far as the window lets them.
    public mutating func feedStandIns() -> [Effect] {
        guard phase == .running, !standIns.isEmpty else { return [] }
        var effects: [Effect] = []
        for stage in standIns.keys.sorted() {
            guard var place = standIns[stage], place.isReady else { continue }
            // The last stage answers nothing inside the prompt.
            let silent = stage == stageCount - 1 ? min(sent[stage], spec.prompt.count - 1) : 0
            let limit = min(
                max(done[stage], silent), max(place.done, silent) + Self.standInWindow)
            while place.sent < limit {
                let end = min(place.sent + Self.rowsPerFrame, limit)
                effects.append(
                    .standIn(.send(input(of: stage, place.sent..<end)), stage: stage))
                place.sent = end
            }
            standIns[stage] = place
        }
        return effects
    }

    /// What a stage is fed for these positions.
    private func input(of stage: Int, _ positions: Range<Int>) -> WireFrame {
        if stage > 0 {
            let width = spec.rowBytes
            let rows = boundaries[stage - 1][
                positions.lowerBound * width..<positions.upperBound * width]
            return rowsFrame(rows, position: positions.lowerBound, to: stage)
        }
        let prompt = spec.prompt.count
        let tokens = positions.map { $0 < prompt ? spec.prompt[$0] : output[$0 - prompt] }
        return tokensFrame(tokens, position: positions.lowerBound)
    }

    private mutating func dropStandIn(of stage: Int) -> [Effect] {
        standIns[stage] = nil
        return [
            .standIn(.send(frame(.cancel, stage: stage)), stage: stage),
            .standIn(.dismiss, stage: stage),
        ]
    }

    /// Tells all stand-ins but those of some stages that it is over.
    mutating func dropStandIns(but left: Set<Int> = []) -> [Effect] {
        standIns.keys.sorted().filter { !left.contains($0) }.flatMap { dropStandIn(of: $0) }
    }
}
