# Moto answers for AWS: secrets manager, DynamoDB, S3, SNS and SQS. It is a Python package; a new version is a new name here
# and in moto.go.
if [ ! -d "$cache/moto-5.2.5" ]; then
  install python3 python3-venv python3
  # Debian's python3 comes without what a virtual environment needs.
  python3 -c 'import venv; from ensurepip import bootstrap' 2>/dev/null || package python3-venv python3
  python3 -c 'import venv; from ensurepip import bootstrap' 2>/dev/null || fail "the tests need the modules venv and ensurepip of $(command -v python3): install them, as Debian's package python3-venv does for its python3, and run again"
  echo "installing moto, which the tests start, once"
  python3 -m venv "$cache/moto-5.2.5.new.$$"
  "$cache/moto-5.2.5.new.$$/bin/pip" install --quiet --disable-pip-version-check 'moto[server]==5.2.5'
  # It is moved when whole; python finds its packages beside it, and moto is started as a module.
  mv "$cache/moto-5.2.5.new.$$" "$cache/moto-5.2.5"
fi
