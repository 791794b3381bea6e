"""Networks leave the house: as programs of Paddle Inference or ONNX that were proved equal before they get a name."""
