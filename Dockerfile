# Two stages: a static binary, then nothing but it. `docker build .` is all there is to do.
# Nothing here needs BuildKit, so the daemons that have only the first builder (Debian 12's among them) build it too.

# The release rust-toolchain.toml pins (.ci/run holds the two equal). The Alpine variant has a C compiler and musl's
# headers beside Rust, so a static binary needs nothing installed. Where there is no registry, name an image of your
# own that has `cargo`, `rustc` and its musl target: .ci/compose-builder makes such a one, and CI builds with it.
ARG BUILDER=docker.io/library/rust:1.95.0-alpine
FROM ${BUILDER} AS build
WORKDIR /src
# .dockerignore lets in what a build reads and no more; rust-toolchain.toml stays out, which would have rustup fetch
# the formatter and the linter first.
COPY . .
# The target is named even on Alpine, where it is the default: a glibc image serves as a builder the same way. Its
# architecture is the compiler's own, so one file makes x86_64 and aarch64 images, emulated or not. BuildKit says which
# it wants, and takes a builder of that one. A builder that has the other's target and Debian's cross compiler makes it
# without emulation, by `--build-arg TARGETARCH=arm64`, as .ci/images does.
ARG TARGETARCH
RUN set -eu; \
    own=$(rustc --print host-tuple); own=${own%%-*}; \
    case ${TARGETARCH:-$own} in \
      amd64|x86_64) cpu=x86_64 ;; \
      arm64|aarch64) cpu=aarch64 ;; \
      *) echo "tcpgauge's image is made for amd64 and arm64, not for $TARGETARCH" >&2; exit 1 ;; \
    esac; \
    target=$cpu-unknown-linux-musl; \
    if [ "$cpu" != "$own" ]; then \
      export TARGET_CC="$cpu-linux-gnu-gcc"; \
      set -- --config "target.$target.linker='$TARGET_CC'"; \
    fi; \
    # What panics say of places in the source shows no path of this build's.
    export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/tcpgauge"; \
    cargo build --release --locked --bin tcpgauge --target "$target" --target-dir /target "$@"; \
    cp "/target/$target/release/tcpgauge" /tcpgauge

FROM scratch
LABEL org.opencontainers.image.title="tcpgauge" \
      org.opencontainers.image.description="Counts a host's TCP sockets by state and pushes them over OTLP" \
      org.opencontainers.image.licenses="Apache-2.0"
# The only layer. No shell, no libraries, no /etc: there is nothing to patch and nothing to run but the agent.
COPY --from=build /tcpgauge /tcpgauge
# By number, as there is no /etc/passwd to hold a name, and Kubernetes' runAsNonRoot can only check a number.
USER 65534:65534
# No ENV HOST_PROC: a sidecar reads its own /proc, and a host agent says where it mounted the host's.
ENTRYPOINT ["/tcpgauge"]
