"""Where nodes come from: machines we make (:mod:`.vm`) and hosts that exist (:mod:`.ssh`)."""
