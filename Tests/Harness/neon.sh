#!/bin/sh
# Builds the kernels for 64-bit ARM with the compiler of the Swift toolchain and runs them under an
# emulator: the NEON and the scalar path must give Tests/Fixtures/kernel-golden.txt, which the Swift
# tests compare with the paths of this machine. Also looks for instructions that fuse a product
# into a sum, here and in the build for x86-64. Installs what is missing (Debian's apt).
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
golden="$root/Tests/Fixtures/kernel-golden.txt"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "neon: $*" >&2
    exit 1
}

missing=
for package in qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross binutils; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "installing$missing" >&2
    run=
    [ "$(id -u)" = 0 ] || run=sudo
    $run apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq $missing >/dev/null
fi
clang=$(dirname "$(readlink -f "$(command -v swift)")")/clang
[ -x "$clang" ] || clang=clang

# The flags that the package has: the sources themselves forbid contraction.
compile() {
    "$clang" "$@" -O2 -Wall -Wextra -Werror -I"$root/Sources/CKernels/include" \
        -I"$root/Tests/KernelGolden/include" "$root"/Sources/CKernels/*.c \
        "$root"/Tests/KernelGolden/*.c -lpthread -lm
}
compile --target=aarch64-linux-gnu -fuse-ld=lld -o "$work/arm"
compile -o "$work/native"

# Prints the functions that hold a fused multiplication and addition.
fused() {
    "$1" -d "$2" | awk -v pattern="$3" '/>:$/ { name = $2 } $0 ~ pattern { print name }' | sort -u
}
found=$(fused aarch64-linux-gnu-objdump "$work/arm" '[[:space:]]f(n)?m(add|sub|la|ls)[[:space:]]')
[ -z "$found" ] || fail "fused instructions in the ARM build: $found"
if [ "$(uname -m)" = x86_64 ]; then
    found=$(fused objdump "$work/native" 'vfn?m(add|sub)' | grep -v '_free>' || true)
    [ -z "$found" ] || fail "fused instructions in the x86-64 build: $found"
fi

# XK_PATH_SCALAR and XK_PATH_NEON.
for path in 1 4; do
    qemu-aarch64 -L /usr/aarch64-linux-gnu "$work/arm" $path >"$work/hashes" ||
        fail "path $path does not run or differs from the scalar one"
    diff "$golden" "$work/hashes" >&2 || fail "path $path gives other hashes"
    echo "path $path on ARM: $(wc -l <"$work/hashes") hashes as on x86-64"
done
