//! The system's own devices: ALSA, Core Audio, WASAPI.

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{ErrorKind, FromSample, Sample, SampleFormat, SizedSample, StreamConfig};

use super::backend::{Alarm, Backend, DeviceError, DeviceInfo, DeviceKind, InputPort, OutputPort, Stream};

/// The system's own devices.
pub struct SystemBackend(cpal::Host);

impl std::fmt::Debug for SystemBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemBackend")
    }
}

impl Default for SystemBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemBackend {
    /// Of the system's usual way to sound.
    pub fn new() -> Self {
        Self(cpal::default_host())
    }

    fn find(&self, info: &DeviceInfo) -> Result<cpal::Device, DeviceError> {
        let is = |device: &cpal::Device| identity(device).as_ref() == Some(&info.id);
        let mut devices = self.0.devices().map_err(|error| unavailable(info, &error))?;
        devices.find(is).ok_or_else(|| DeviceError::Unavailable {
            device: info.name.clone(),
            reason: "it is not there any more".to_owned(),
        })
    }
}

impl Backend for SystemBackend {
    fn list(&self) -> Result<Vec<DeviceInfo>, DeviceError> {
        let input = self.0.default_input_device().as_ref().and_then(identity);
        let output = self.0.default_output_device().as_ref().and_then(identity);
        let devices = self.0.devices().map_err(|error| DeviceError::System(error.to_string()))?;
        let mut found: Vec<DeviceInfo> = Vec::new();
        for device in devices {
            let (Some(id), Ok(description)) = (identity(&device), device.description()) else { continue };
            let mut add = |kind, default: &Option<String>| {
                let (id, name) = (id.clone(), description.name().to_owned());
                found.push(DeviceInfo { is_default: default.as_ref() == Some(&id), id, name, kind });
            };
            if description.supports_input() {
                add(DeviceKind::Input, &input);
            }
            if description.supports_output() {
                add(DeviceKind::Output, &output);
            }
        }
        Ok(found)
    }

    fn open_input(&self, info: &DeviceInfo, make: &mut dyn FnMut(u32) -> InputPort) -> Result<Stream, DeviceError> {
        let device = self.find(info)?;
        let supported = device.default_input_config().map_err(|error| unavailable(info, &error))?;
        let (format, config) = (supported.sample_format(), supported.config());
        let port = make(config.sample_rate);
        let opened = match format {
            SampleFormat::I16 => input::<i16>(&device, config, port),
            SampleFormat::I32 => input::<i32>(&device, config, port),
            SampleFormat::U8 => input::<u8>(&device, config, port),
            SampleFormat::U16 => input::<u16>(&device, config, port),
            SampleFormat::F32 => input::<f32>(&device, config, port),
            other => return Err(unknown_format(info, other)),
        };
        start(info, opened)
    }

    fn open_output(&self, info: &DeviceInfo, make: &mut dyn FnMut(u32) -> OutputPort) -> Result<Stream, DeviceError> {
        let device = self.find(info)?;
        let supported = device.default_output_config().map_err(|error| unavailable(info, &error))?;
        let (format, config) = (supported.sample_format(), supported.config());
        let port = make(config.sample_rate);
        let opened = match format {
            SampleFormat::I16 => output::<i16>(&device, config, port),
            SampleFormat::I32 => output::<i32>(&device, config, port),
            SampleFormat::U8 => output::<u8>(&device, config, port),
            SampleFormat::U16 => output::<u16>(&device, config, port),
            SampleFormat::F32 => output::<f32>(&device, config, port),
            other => return Err(unknown_format(info, other)),
        };
        start(info, opened)
    }
}

/// The first channel is what a call hears: several microphones of one device add up to echoes of each other.
fn input<T>(device: &cpal::Device, config: StreamConfig, mut port: InputPort) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample,
    i16: FromSample<T>,
{
    let (channels, alarm) = (usize::from(config.channels).max(1), port.alarm());
    device.build_input_stream::<T, _, _>(
        config,
        move |data, _| port.write(data.chunks(channels).map(|frame| frame.first().map_or(0, |&s| i16::from_sample(s)))),
        move |error| failed(&error, &alarm),
        None,
    )
}

/// Every channel plays the same.
fn output<T>(device: &cpal::Device, config: StreamConfig, mut port: OutputPort) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample + FromSample<i16>,
{
    let (channels, alarm) = (usize::from(config.channels).max(1), port.alarm());
    device.build_output_stream::<T, _, _>(
        config,
        move |data, _| {
            let mut frames = data.chunks_mut(channels);
            port.read(frames.len(), |sample| {
                if let Some(frame) = frames.next() {
                    frame.fill(T::from_sample(sample));
                }
            });
        },
        move |error| failed(&error, &alarm),
        None,
    )
}

/// What a stream survives is not told.
fn failed(error: &cpal::Error, alarm: &Alarm) {
    match error.kind() {
        ErrorKind::Xrun | ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => alarm.raise(),
    }
}

fn start(info: &DeviceInfo, opened: Result<cpal::Stream, cpal::Error>) -> Result<Stream, DeviceError> {
    let stream = opened.map_err(|error| unavailable(info, &error))?;
    stream.play().map_err(|error| unavailable(info, &error))?;
    Ok(Stream::new(stream))
}

fn identity(device: &cpal::Device) -> Option<String> {
    device.id().ok().map(|id| id.to_string())
}

fn unavailable(info: &DeviceInfo, error: &cpal::Error) -> DeviceError {
    DeviceError::Unavailable { device: info.name.clone(), reason: error.to_string() }
}

fn unknown_format(info: &DeviceInfo, format: SampleFormat) -> DeviceError {
    DeviceError::Unavailable { device: info.name.clone(), reason: format!("its samples are {format}") }
}
