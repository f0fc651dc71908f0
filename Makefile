# The one thing made here that Cargo does not make: what a release consists of, in dist/.
.PHONY: release
release:
	.ci/release
