public import Inference
import Primitives
import Synchronization

extension ClusterHead {
    /// Continues `prompt` until an end token, `maxTokens` or the context is full: the same tokens
    /// as `Generator.generate`.
    ///
    /// - Parameter onToken: called with each token as it becomes certain; `false` stops.
    ///
    /// Throws what went wrong with what was certain by then. A cancelled task ends with the reason
    /// `cancelled`.
    public func generate(
        prompt: [Int32], parameters: SamplingParameters = .greedy, maxTokens: Int,
        options: ClusterOptions = ClusterOptions(),
        onToken: @Sendable (Int32) -> Bool = { _ in true }
    ) async throws(ClusterFailure) -> ClusterAnswer {
        let started = ContinuousClock.now
        var head: PipelineHead
        do throws(RingFault) {
            guard maxTokens > 0 else {
                return ClusterAnswer(
                    tokens: [], reason: .length, counts: PipelineHead.Counts(),
                    timeToFirstToken: .zero, time: .zero)
            }
            head = try machine(prompt, parameters, maxTokens, options)
        } catch {
            throw ClusterFailure(fault: error, settled: [])
        }
        let job = Self.number()
        var first: Duration?
        do throws(RingFault) {
            let links = try await links()
            let events = try open(
                job, first: links.first, promptTokens: head.promptTokens,
                capacity: head.capacity, sampling: parameters)
            defer { close(job) }
            try await drive(&head, job, events, options.patience, started) { token in
                first = first ?? ContinuousClock.now - started
                return onToken(token)
            }
        } catch {
            throw ClusterFailure(fault: error, settled: Array(head.output))
        }
        let time = ContinuousClock.now - started
        return ClusterAnswer(
            tokens: Array(head.output), reason: head.finish ?? .cancelled, counts: head.counts,
            timeToFirstToken: first ?? time, time: time)
    }

    private func machine(
        _ prompt: [Int32], _ parameters: SamplingParameters, _ maxTokens: Int,
        _ options: ClusterOptions
    ) throws(RingFault) -> PipelineHead {
        let sizes = model.architecture
        guard !prompt.isEmpty, prompt.count < sizes.contextLength else {
            throw RingFault(
                .badRequest,
                "a prompt of \(prompt.count) tokens, 1 to \(sizes.contextLength - 1) fit")
        }
        if let stranger = prompt.first(where: { $0 < 0 || Int($0) >= sizes.vocabulary }) {
            throw RingFault(.tokenOutOfRange, "token \(stranger) is not in the vocabulary")
        }
        if let field = parameters.invalidField {
            throw RingFault(.badRequest, "the sampling parameter \(field) is out of its range")
        }
        let limit = min(maxTokens, sizes.contextLength - prompt.count)
        var limits = PipelineHead.Limits(maxTokens: limit, vocabulary: sizes.vocabulary)
        limits.chunkRows = min(max(options.chunkRows, 1), 256)
        limits.chunks = route.count + (engine == nil ? 1 : 2)
        let draft: any DraftSource
        do throws(EngineError) {
            draft = try options.draft(prompt.count + limit)
        } catch {
            throw RingFault(error)
        }
        let tokenizer = model.tokenizer
        return PipelineHead(
            prompt: prompt, limits: limits, draft: draft, controller: options.controller
        ) { tokenizer.isEnd($0) }
    }

    /// Sends windows and takes verdicts until the answer has ended.
    private func drive(
        _ head: inout PipelineHead, _ job: JobID, _ events: AsyncStream<Event>,
        _ patience: Duration, _ started: ContinuousClock.Instant, onToken: (Int32) -> Bool
    ) async throws(RingFault) {
        let watch = Watch()
        let timer = Task {
            while true {
                try await Task.sleep(for: patience / 4)
                if watch.age > patience { return timedOut(job, patience) }
            }
        }
        defer { timer.cancel() }
        var inbox = events.makeAsyncIterator()
        while head.finish == nil {
            try await fill(&head, job, started)
            guard let event = await inbox.next() else { return head.cancel() }
            switch event {
            case .moved: continue
            case .fault(let fault): throw fault
            case .verdict(let verdict):
                watch.touch()
                let now = ContinuousClock.now - started
                let progress: PipelineHead.Progress
                do throws(PipelineHead.Violation) {
                    progress = try head.receive(verdict, at: now)
                } catch {
                    throw RingFault(.badVerdict, "the last stage answered what cannot be: \(error)")
                }
                if progress.isRewound { discard(job, before: head.epoch) }
                let before = head.output.count - progress.tokens.count
                for (place, token) in progress.tokens.enumerated() where !onToken(token) {
                    return head.cancel(after: before + place + 1)
                }
            }
        }
    }

    /// Sends what is to be sent before the next verdict. While the head's own stage is busy, no
    /// more than one window waits for it: what is not sent yet can still change.
    private func fill(
        _ head: inout PipelineHead, _ job: JobID, _ started: ContinuousClock.Instant
    ) async throws(RingFault) {
        while (engine?.waiting(job) ?? 0) == 0 {
            let load = max(requests, 1)
            let now = ContinuousClock.now - started
            var window: RingWindow?
            if head.draftsSlowly {
                let before = head
                (window, head) = await drafts.run {
                    var head = before
                    let window = head.next(at: now, load: load)
                    return (window, head)
                }
            } else {
                window = head.next(at: now, load: load)
            }
            guard let window else { return }
            try await send(window, of: job)
        }
    }

    private func timedOut(_ job: JobID, _ patience: Duration) {
        post(.fault(RingFault(.timedOut, "nothing came back for \(patience)")), to: job)
    }

    /// When a request was last heard of.
    private final class Watch: Sendable {
        private let last = Mutex(ContinuousClock.now)
        var age: Duration { last.withLock { $0.duration(to: .now) } }
        func touch() { last.withLock { $0 = .now } }
    }
}
