import Economics
import Primitives

/// The end of a step in columns: payouts, penalties, emission and settlement.
extension KernelHouse {
    mutating func close(_ books: inout Books, _ result: inout StepResult) {
        for place in result.fills.indices {
            let fill = result.fills[place]
            let left = Int64(fill.count - handled[place])
            if left > 0 { pay(fill, jobs: left, &books) }
        }
        // Who has not answered in time may be given audits again.
        openAudits.fill(0)
        executeDue(&books, &result)
        closeEpoch(&books, &result)
        jobsBefore += UInt64(result.jobs)
    }

    /// Penalties whose appeal window ends with this step, in the order of their verdicts.
    private mutating func executeDue(_ books: inout Books, _ result: inout StepResult) {
        var kept = 0
        for place in pending.indices {
            let penalty = pending[place]
            if penalty.epoch <= epoch + 1 {
                execute(penalty, &books, &result)
            } else {
                pending[kept] = penalty
                kept += 1
            }
        }
        pending.removeLast(pending.count - kept)
    }

    private mutating func closeEpoch(_ books: inout Books, _ result: inout StepResult) {
        epoch += 1
        var sum: UInt128 = 0
        var all: UInt64 = 0
        for provider in 0..<roster.providers {
            let (total, overflow) = all.addingReportingOverflow(epochWork[provider])
            all = overflow ? .max : total
            if books.tombstoned[provider] != 0 || convictions[provider] != 0 {
                epochWork[provider] = 0
            }
            sum += UInt128(epochWork[provider])
        }
        let pool = emission(work: all, books) + emissionRest
        if sum > 0 { allot(pool, sum, &books, &result) }
        convictions.fill(0)
        epochWork.fill(0)
    }

    private mutating func allot(
        _ pool: Amount, _ sum: UInt128, _ books: inout Books, _ result: inout StepResult
    ) {
        var emitted: UInt128 = 0
        for provider in 0..<roster.providers where epochWork[provider] > 0 {
            let share = ProRata.share(of: pool, weight: UInt128(epochWork[provider]), sum: sum)
            books.tally[provider] += Int64(share.units)
            emitted += share.units
        }
        if emitted > 0 { emissionRest = Amount(pool.units - emitted) }
        books.minted += emitted
        result.emitted = emitted
    }

    /// What the policy emits; an epoch whose emission cannot be computed mints nothing.
    private mutating func emission(work: UInt64, _ books: Books) -> Amount {
        var observation = EmissionObservation(
            epoch: epoch, issued: Amount(books.minted) + emissionRest)
        if rules.otherEmission != nil {
            observation.work = work
            var bonded: UInt128 = 0
            var bondable: UInt128 = 0
            for party in 0..<roster.parties {
                bonded += UInt128(books.bonded[party])
                bondable += UInt128(books.available[party]) + UInt128(books.payable[party])
            }
            observation.bonded = Amount(bonded)
            observation.bondable = Amount(bonded + bondable)
        }
        do throws(EconomicsError) {
            return try rules.emission.advance(&emissionState, by: observation)
        } catch {
            return .zero
        }
    }

    /// Every whole chain unit that is payable leaves; dust stays.
    mutating func settle(
        fees: UInt128, _ books: inout Books, _ result: inout StepResult
    ) {
        books.fee -= fees
        books.payable[roster.operatorPlace] += Int64(fees)
        var dollars: UInt128 = 0
        var tokens: UInt128 = 0
        for party in 0..<roster.parties {
            let units = books.payable[party] / KernelHouse.dollarScale
            books.payable[party] -= units * KernelHouse.dollarScale
            result.paidDollars[party] = units
            dollars += UInt128(units)
            let tally = books.tally[party] / KernelHouse.tokenScale
            books.tally[party] -= tally * KernelHouse.tokenScale
            result.paidTokens[party] = tally
            tokens += UInt128(tally)
        }
        books.chain -= dollars * UInt128(KernelHouse.dollarScale)
        books.claimed += tokens * UInt128(KernelHouse.tokenScale)
    }
}
