import Clearing
import Logging
import Primitives
import Storage

/// The house's own second look at convictions, on its own copy of the model.
///
/// Only what was really run again decides anything: without the model's file or the evidence, or
/// with an engine that fails, there is no answer yet, and the question is asked again later.
struct Arbiter: Sendable {
    let sequencer: Sequencer
    let models: ModelLibrary
    let evidence: EvidenceStore
    let log: Logger
    private let pause = Duration.seconds(30)

    init(sequencer: Sequencer, models: ModelLibrary, evidence: EvidenceStore, log: Logger) {
        self.sequencer = sequencer
        self.models = models
        self.evidence = evidence
        self.log = log
    }

    /// Looks at a new conviction. One that does not hold is overturned as if the accused had
    /// appealed: nobody has to be awake to be treated fairly.
    func review(_ id: VerdictID) async {
        while !Task.isCancelled {
            guard let record = await record(id), record.state == .appealable else { return }
            switch await finding(on: record) {
            case .confirmed: return
            case .refuted:
                log.warning("a conviction does not hold", metadata: ["verdict": "\(id)"])
                if (try? await sequencer.submit(.openAppeal(id, by: record.accused))) != nil {
                    // The event of the appeal has it decided, with the same finding.
                    return
                }
            case .cannotTell:
                log.warning(
                    "a conviction waits for the model's file or the evidence",
                    metadata: ["verdict": "\(id)"])
            }
            try? await Task.sleep(for: pause)
        }
    }

    /// Decides an appeal, however long that takes.
    func decide(_ id: VerdictID) async {
        while !Task.isCancelled {
            guard let record = await record(id), record.state == .appealed else { return }
            let finding = await finding(on: record)
            if finding != .cannotTell {
                log.notice(
                    "appeal decided", metadata: ["verdict": "\(id)", "finding": "\(finding)"])
                let command = Command.resolveAppeal(id, upheld: finding == .refuted)
                if (try? await sequencer.submit(command)) != nil { return }
            } else {
                log.warning(
                    "an appeal waits for the model's file or the evidence",
                    metadata: ["verdict": "\(id)"])
            }
            try? await Task.sleep(for: pause)
        }
    }

    private func record(_ id: VerdictID) async -> VerdictRecord? {
        (try? await sequencer.read { $0.verdict(id) }) ?? nil
    }

    private func finding(on record: VerdictRecord) async -> Judging.Finding {
        let verdict = record.verdict.body
        let model = try? await sequencer.read { $0.job(verdict.job)?.demand.model }
        guard let id = model ?? nil, let served = models.model(id),
            let bundle = (try? await evidence.bundle(of: verdict.job)) ?? nil
        else { return .cannotTell }
        return await Judging.queue.run { Judging.finding(on: verdict, bundle: bundle, served) }
    }
}
