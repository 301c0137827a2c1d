import Economics
import Foundation
import Primitives
import Simulator
import Testing

/// How studies choose their points.
@Suite struct SamplingTests {
    /// As SciPy 1.17 has them: `qmc.Sobol(128, scramble=False)`, points 1 to 1,023.
    @Test func sobolsSequenceIsThePublishedOne() {
        var sequence = SobolSequence(dimensions: 128)
        let first = [
            [32768, 32768, 32768, 32768, 32768, 32768, 32768, 32768],
            [49152, 16384, 16384, 16384, 49152, 49152, 16384, 49152],
            [16384, 49152, 49152, 49152, 16384, 16384, 49152, 16384],
            [24576, 24576, 40960, 57344, 24576, 8192, 24576, 57344],
            [57344, 57344, 8192, 24576, 57344, 40960, 57344, 24576],
            [40960, 8192, 57344, 40960, 40960, 57344, 8192, 8192],
        ]
        var sum: UInt64 = 0
        for number in 0..<1_023 {
            let point = sequence.next()
            if number < first.count {
                #expect(point.prefix(8).map { Int($0 >> 48) } == first[number])
            }
            for value in point { sum = sum &* 6_364_136_223_846_793_005 &+ (value >> 34) &+ 1 }
        }
        #expect(sum == 0x9B0A_BE6B_F72E_CA80)
    }

    private func study(_ text: String) throws -> Study {
        try Studies.scenario("model: linear\nsteps: 1\nstudy: {\(text)}").study
    }

    @Test func aGridHasEveryCombination() throws {
        let points = try study(
            "kind: grid, axes: {a: [0, 1], sign: [plus, minus], b: {low: 0, high: 1, points: 3}}"
        ).points()
        let rows = (0..<points.count).map { Array(points[$0]) }
        #expect(rows.count == 12 && Set(rows).count == 12)
        #expect(
            rows[0] == [0, 0, 0] && rows[1] == [0, 0, 500_000]
                && rows[11] == [1_000_000, 1, 1_000_000])
    }

    @Test func aLatinHypercubeHasOnePointInEachStratum() throws {
        let points = try study(
            "kind: lhs, samples: 100, axes: {a: {low: 0, high: 0.999998}, b: {low: 0, high: 1}}"
        ).points()
        for axis in 0..<2 {
            let strata = (0..<100).map {
                points[$0][points[$0].startIndex + axis] * 100 / 1_000_001
            }
            #expect(Set(strata).count == 100)
        }
    }

    @Test func monteCarloReachesBothEndsAlike() throws {
        let points = try study(
            "kind: monte_carlo, samples: 6000, axes: {sign: {low: plus, high: minus}}"
        ).points()
        let ones = (0..<6_000).count { points[$0].first == 1 }
        #expect((2_800...3_200).contains(ones))
        let other = try study(
            "kind: monte_carlo, samples: 6000, sampling_seed: 2, "
                + "axes: {sign: {low: plus, high: minus}}"
        ).points()
        #expect(points.values != other.values)
    }

    @Test func aMorrisTrajectoryChangesEachAxisOnceByHalfTheLevels() throws {
        let points = try study(
            "kind: morris, trajectories: 50, levels: 6, "
                + "axes: {a: {low: 0, high: 1}, b: {low: 0, high: 0.5}, c: {low: 0.1, high: 0.6}}"
        ).points()
        #expect(points.count == 200)
        var ups = 0
        for trajectory in 0..<50 {
            var changed: Set<Int> = []
            for step in 1...3 {
                let before = Array(points[trajectory * 4 + step - 1])
                let after = Array(points[trajectory * 4 + step])
                let axes = (0..<3).filter { before[$0] != after[$0] }
                #expect(axes.count == 1)
                changed.formUnion(axes)
                let span: [Int64] = [1_000_000, 500_000, 500_000]
                let change = after[axes[0]] - before[axes[0]]
                // Three of five levels.
                #expect(abs(change) == span[axes[0]] * 3 / 5)
                if change > 0 { ups += 1 }
            }
            #expect(changed.count == 3)
        }
        #expect((40...110).contains(ups))
    }

    @Test func saltellisSampleSwapsOneColumn() throws {
        let points = try study(
            "kind: sobol, samples: 8, axes: {a: {low: 0, high: 1}, b: {low: 0, high: 1}}"
        ).points()
        #expect(points.count == 48)
        for row in 0..<8 {
            let block = (0..<6).map { Array(points[row * 6 + $0]) }
            let (a, b) = (block[0], block[5])
            #expect(block[1] == [b[0], a[1]] && block[2] == [a[0], b[1]])
            #expect(block[3] == [a[0], b[1]] && block[4] == [b[0], a[1]])
        }
        // Eight points of a net: one in each eighth.
        #expect(Set((0..<8).map { points[$0 * 6].first! * 8 / 1_000_001 }).count == 8)
    }

    @Test func aMatrixIsReadAsOtherProgramsWriteIt() throws {
        let folder = try TemporaryFolder()
        try folder.write("a, sign\n2.5e-01,minus\n0.12345678,plus\n1,plus\n", to: "points.csv")
        func read(_ more: String = "") throws -> Study {
            try Studies.scenario(
                "model: linear\nsteps: 1\nstudy: {kind: matrix, file: points.csv\(more)}",
                folder: folder.url
            ).study
        }
        #expect(try read().rows == [250_000, 1, 123_457, 0, 1_000_000, 0])
        // Three rows are no sample of Sobol's, and a value out of range none of anything.
        #expect(throws: ScenarioFault.self) { try read(", design: sobol") }
        try folder.write("a\n1.5\n", to: "points.csv")
        #expect(throws: ScenarioFault.self) { try read() }
        try folder.write("a,b\n1\n", to: "points.csv")
        #expect(throws: ScenarioFault.self) { try read() }
    }

    @Test func replicatesHaveTheSameSeedsAtEveryPoint() throws {
        let folder = try TemporaryFolder()
        let scenario = try Studies.scenario(
            """
            {model: linear, steps: 1, seed: 9, replicates: 3, parameters: {noise: 1000},
             study: {kind: grid, axes: {a: [0, 1]}}}
            """)
        try Studies.run(scenario, folder.url)
        let rows = try folder.lines("final.csv")
        #expect(rows[0] == ["run", "point", "replicate", "seed", "a", "y", "still", "sign"])
        #expect(rows[1][3] == "9" && Set(rows[1...3].map { $0[3] }).count == 3)
        #expect(rows[1...3].map { $0[3] } == rows[4...6].map { $0[3] })
        // The same luck: the difference between the points is exactly that of the parameter.
        for replicate in 1...3 {
            let (one, other) = (
                Double(rows[replicate][5]) ?? 0, Double(rows[replicate + 3][5]) ?? 0
            )
            #expect(abs(other - one - 4) < 1e-9)
        }
    }
}
