import Clearing
import Inference
import Primitives

/// Who stands in for the stages of one job: found while it runs, among the nodes that are willing.
extension JobRun {
    /// A node that computes a stage along.
    struct StandIn: Sendable {
        let id: NodeID
        let key: PublicKey
    }

    private static var ticksBetweenSearches: Int { 4 }

    /// Looks for a stand-in for each stage that has none, at once and then now and again.
    func seekStandIns(_ state: inout State) async -> [JobMachine.Effect] {
        let willing = context.hub.standingBy
        guard state.machine.phase == .running, !willing.isEmpty, state.ticks >= state.seeksAt
        else { return [] }
        state.seeksAt = state.ticks + Self.ticksBetweenSearches
        var effects: [JobMachine.Effect] = []
        for stage in state.pipeline.indices where state.standIns[stage] == nil {
            let found = try? await context.sequencer.read { [job] house in
                house.standIns(for: job, stage: stage).compactMap { id in
                    house.node(id).map { StandIn(id: id, key: $0.key) }
                }
            }
            let taken = Set(state.standIns.values.map(\.key)).union(state.formerStandIns)
            let standIn = (found ?? []).first {
                willing.contains($0.key) && !taken.contains($0.key)
            }
            guard let standIn else { continue }
            state.standIns[stage] = standIn
            adopt(state)
            effects += state.machine.standIn(for: stage)
        }
        return effects
    }

    /// Forgets stand-ins that are none any more: they are not asked again for this job.
    func settleStandIns(_ state: inout State) {
        for (stage, standIn) in state.standIns
        where !state.machine.standsIn.contains(stage) {
            state.standIns[stage] = nil
            state.formerStandIns.insert(standIn.key)
        }
    }

    func carryOut(
        _ order: JobMachine.StandInOrder, stage: Int, _ state: inout State
    ) {
        guard let node = state.standIns[stage]?.key else { return }
        switch order {
        case .assign:
            if !context.hub.send(assignment(stage, state, isStandIn: true), to: node) {
                state.machine.loseStandIn(of: stage)
            }
        case .send(let frame): context.hub.send(frame, to: node)
        case .dismiss: context.hub.send(dismissal(state), to: node)
        }
    }

    /// Has the stage's stand-in take over; `nil` if there is none that can.
    func replaceByStandIn(
        _ stage: Int, code: FaultCode, _ state: State
    ) async throws(JobFailure) -> [Event]? {
        guard state.machine.canResume, let standIn = state.standIns[stage] else { return nil }
        do throws(JobFailure) {
            return try await context.insist(
                .replaceByStandIn(
                    job, attempt: state.machine.attempt, stage: UInt16(stage), code: code,
                    standIn: standIn.id))
        } catch {
            guard case .rejected(.noAlternative) = error else { throw error }
            return nil
        }
    }

    /// For stages of a new pipeline whose node stood in for one of the old: which.
    func promoted(to pipeline: [JobRunner.Stage], _ state: State) -> [Int: Int] {
        var promoted: [Int: Int] = [:]
        guard state.machine.canResume else { return promoted }
        for (place, stage) in pipeline.enumerated() {
            promoted[place] = state.standIns.keys.sorted().first { old in
                state.standIns[old]?.key == stage.node
                    && state.pipeline[old].layers == stage.layers
            }
        }
        return promoted
    }
}
